use std::io::Write;

use cloud::memory::{Fault, Memory};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use pipeline::split::{Format, Split};
use proptest::prelude::*;
use sha2::Sha256;

use super::fake::{FakeBlobs, at};
use super::*;
use crate::azure::{Found, Version};
use crate::pinned::Pinned;
use crate::progress::{Deadline, Progress};
use crate::retry::Budget;

const PART: usize = 64;
const RANGE: u64 = 32;
const SPLIT: u64 = 50;
const LONG: Duration = Duration::from_secs(900);

/// A source of these names and contents.
fn pinned(blobs: &[(&str, Vec<u8>)]) -> Pinned {
    let blob = |(name, content): &(&str, Vec<u8>)| {
        let version = Version {
            etag: format!("\"{}\"", content.len()),
            bytes: content.len() as u64,
            md5: Some(Md5::digest(content).into()),
            modified_at: format!("2026-01-01T00:00:{:02}Z", content.len() % 60),
            content_encoding: None,
        };
        PinnedBlob { uri: format!("https://a/c/{name}"), found: Found { name: (*name).to_owned(), version } }
    };
    Pinned { uri: "https://a/c/p/".into(), blobs: blobs.iter().map(blob).collect() }
}

fn blobs(blobs: &[(&str, Vec<u8>)]) -> FakeBlobs {
    FakeBlobs::new(blobs.iter().map(|(_, content)| content.clone()).collect())
}

async fn call(s3: &Memory, pinned: &Pinned, blobs: FakeBlobs, time: Duration) -> Result<Copied, Error> {
    let budget = Arc::new(Budget::new());
    let job = Job {
        bucket: &s3.bucket(),
        pinned,
        version: "v1".into(),
        split_bytes: SPLIT,
        range_bytes: RANGE,
        part_bytes: PART,
        deadline: Deadline::after(time),
        progress: Progress::new(pinned.bytes(), budget.clone()),
        budget,
    };
    copy(&job, blobs).await
}

async fn copy_whole(s3: &Memory, named: &[(&str, Vec<u8>)]) -> RawManifest {
    match call(s3, &pinned(named), blobs(named), LONG).await {
        Ok(Copied::Whole(raw)) => *raw,
        other => panic!("{other:?}"),
    }
}

async fn error_of(s3: &Memory, pinned: &Pinned, blobs: FakeBlobs) -> Error {
    match call(s3, pinned, blobs, LONG).await {
        Err(error) => error,
        Ok(copied) => panic!("{copied:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lines(records: usize) -> Vec<u8> {
    (0..records).flat_map(|n| format!("{{\"n\": {n}, \"text\": \"é{}\"}}\n", n * 7919).into_bytes()).collect()
}

fn array(records: usize) -> Vec<u8> {
    let text = String::from_utf8(lines(records)).unwrap();
    format!("[{}]", text.trim_end().replace('\n', ",\n")).into_bytes()
}

/// What the splits of a manifest hold, read as the next step reads it.
fn texts_of_splits(raw: &RawManifest, object: &[u8]) -> Vec<(Format, String)> {
    let text = |split: &Split| {
        let range = at(split.start)..at(split.end);
        (raw.format_of(split), String::from_utf8(object[range].to_vec()).unwrap())
    };
    raw.splits.iter().map(text).collect()
}

/// The numbers of all records, in their order.
fn numbers(raw: &RawManifest, object: &[u8]) -> Vec<u64> {
    let number = |record: &serde_json::Value| record["n"].as_u64().unwrap();
    let of_split = |(format, text): (Format, String)| -> Vec<u64> {
        match format {
            Format::Array => serde_json::from_str::<Vec<serde_json::Value>>(&format!("[{text}]")).unwrap().iter().map(number).collect(),
            Format::Ndjson => text.lines().map(|line| number(&serde_json::from_str(line).unwrap())).collect(),
        }
    };
    texts_of_splits(raw, object).into_iter().flat_map(of_split).collect()
}

fn check_proof(raw: &RawManifest, object: &[u8]) {
    assert_eq!(raw.bytes, object.len() as u64);
    assert_eq!((&raw.md5, &raw.sha256), (&hex(&Md5::digest(object)), &hex(&Sha256::digest(object))));
    assert!(raw.crc64nvme.is_some());
    assert_eq!(raw.splits.iter().map(|split| split.records).sum::<u64>(), raw.records);
}

#[tokio::test]
async fn one_blob_is_copied_as_it_is() {
    for content in [array(1), array(100), lines(100), b"[]".to_vec()] {
        let s3 = Memory::default();
        let raw = copy_whole(&s3, &[("x/t.json", content.clone())]).await;
        assert_eq!((raw.raw_key.as_str(), raw.original_key.as_deref()), ("raw/transactions/v1/t.json", None));
        let object = s3.object(&raw.raw_key).unwrap();
        assert_eq!(object, content);
        check_proof(&raw, &object);
        assert_eq!(numbers(&raw, &object), (0..raw.records).collect::<Vec<_>>());
        assert_eq!((raw.blobs.len(), raw.blobs[0].start, raw.blobs[0].end), (1, 0, content.len() as u64));
        assert_eq!(raw.blobs[0].md5, raw.md5);
        assert_eq!((s3.uploads_under_way(), s3.keys().len()), (0, 1));
    }
}

#[tokio::test]
async fn several_blobs_are_one_source() {
    let s3 = Memory::default();
    let named = [
        ("p/a.json", array(20)),
        ("p/b.json", Vec::new()),
        ("p/c.json", lines(30)),
        ("p/d.json", b" \n".to_vec()),
        ("p/e.json", b"[]".to_vec()),
    ];
    let raw = copy_whole(&s3, &named).await;
    assert_eq!(raw.raw_key, "raw/transactions/v1/transactions.json");
    let object = s3.object(&raw.raw_key).unwrap();
    assert_eq!(object, named.iter().flat_map(|(_, content)| content.clone()).collect::<Vec<_>>());
    check_proof(&raw, &object);
    assert_eq!(numbers(&raw, &object), (0..20).chain(0..30).collect::<Vec<_>>());
    let shown: Vec<_> = raw.blobs.iter().map(|blob| (blob.format, blob.records)).collect();
    assert_eq!(shown, [(Some(Format::Array), 20), (None, 0), (Some(Format::Ndjson), 30), (None, 0), (Some(Format::Array), 0)]);
    for (blob, (name, content)) in raw.blobs.iter().zip(&named) {
        assert_eq!(blob.uri, format!("https://a/c/{name}"));
        assert_eq!(&object[at(blob.start)..at(blob.end)], content);
        assert_eq!(blob.md5, hex(&Md5::digest(content)));
    }
    assert_eq!(raw.uri, "https://a/c/p/");
    // The latest of the blobs' own.
    assert_eq!(Some(&raw.modified_at), raw.blobs.iter().map(|blob| &blob.modified_at).max());
}

#[tokio::test]
async fn gzip_is_kept_as_it_is_and_read_unpacked() {
    let check = async |named: &[(&str, Vec<u8>)], unpacked: &[&[u8]], raw_key: &str| {
        let s3 = Memory::default();
        let raw = copy_whole(&s3, named).await;
        let object = s3.object(&raw.raw_key).unwrap();
        assert_eq!(object, unpacked.concat());
        check_proof(&raw, &object);
        assert_eq!(raw.raw_key, raw_key);
        let original = s3.object(raw.original_key.as_deref().unwrap()).unwrap();
        assert_eq!(original, named.iter().flat_map(|(_, content)| content.clone()).collect::<Vec<_>>());
        for (blob, text) in raw.blobs.iter().zip(unpacked) {
            assert_eq!(&object[at(blob.start)..at(blob.end)], *text);
        }
        assert_eq!(s3.uploads_under_way(), 0);
        numbers(&raw, &object).len()
    };
    let (a, b) = (array(200), lines(100));
    let one = [("p/t.json.gz", gzip(&a))];
    assert_eq!(check(&one, &[&a], "raw/transactions/v1/t.json").await, 200);
    // Known by its first bytes alone.
    let nameless = [("p/t.json", gzip(&a))];
    assert_eq!(check(&nameless, &[&a], "raw/transactions/v1/t.json").await, 200);
    // Members one behind the other are one text.
    let members = [("p/t.json.gz", [gzip(&b[..50]), gzip(&b[50..])].concat())];
    assert_eq!(check(&members, &[&b], "raw/transactions/v1/t.json").await, 100);
    let mixed = [("p/a.json", a.clone()), ("p/b", gzip(&b)), ("p/c.json", b.clone())];
    assert_eq!(check(&mixed, &[&a, &b, &b], "raw/transactions/v1/transactions.json").await, 400);
}

#[tokio::test]
async fn what_is_wrong_with_the_source_leaves_nothing() {
    let check = async |named: &[(&str, Vec<u8>)], name: &str, words: &str| {
        let s3 = Memory::default();
        let error = error_of(&s3, &pinned(named), blobs(named)).await;
        assert!(error.name() == name && error.to_string().contains(words), "{}: {error}", error.name());
        assert_eq!((s3.keys(), s3.uploads_under_way()), (vec![], 0), "{error}");
    };
    check(&[("a", Vec::new()), ("b", Vec::new())], "SourceEmpty", "https://a/c/p/ is empty").await;
    check(&[("a", b"  \n".repeat(100))], "SourceEmpty", "is empty").await;
    let broken = [lines(1), b"[oops".to_vec()].map(|text| text.repeat(50));
    check(&[("a", array(50)), ("b", [b"[".to_vec(), broken[1].clone()].concat())], "SourceMalformed", "https://a/c/b: ").await;
    check(&[("a", [array(50), b"]".to_vec()].concat())], "SourceMalformed", "nothing may follow the array").await;
    check(&[("a.gz", lines(50))], "SourceMalformed", "does not begin like gzip").await;
    let packed = gzip(&lines(500));
    check(&[("a.gz", packed[..packed.len() / 2].to_vec())], "SourceMalformed", "damaged or broken off").await;
}

#[tokio::test]
async fn wrong_bytes_of_the_right_length_are_not_kept() {
    for content in [array(100), lines(2), gzip(&lines(100))] {
        let s3 = Memory::default();
        let mut pinned = pinned(&[("a", content.clone())]);
        pinned.blobs[0].found.version.md5 = Some([7; 16]);
        let error = error_of(&s3, &pinned, FakeBlobs::new(vec![content])).await;
        assert_eq!(error.name(), "SourceCorrupt", "{error}");
        assert!(error.to_string().contains("its Content-MD5 says 07070707"), "{error}");
        assert_eq!((s3.keys(), s3.uploads_under_way()), (vec![], 0));
    }
}

#[tokio::test]
async fn bytes_that_change_on_their_way_to_s3_are_not_kept() {
    for part in ["partNumber=1", "partNumber=3"] {
        let s3 = Memory::default();
        let named = [("a", array(100))];
        s3.fail(part, Fault::Flipped);
        assert_eq!(error_of(&s3, &pinned(&named), blobs(&named)).await.name(), "SourceCorrupt");
        assert_eq!((s3.object("raw/transactions/v1/a"), s3.uploads_under_way()), (None, 0));
        let raw = copy_whole(&s3, &named).await;
        check_proof(&raw, &s3.object(&raw.raw_key).unwrap());
    }
}

#[tokio::test]
async fn a_refused_credential_is_renewed_once_and_the_copy_goes_on() {
    let s3 = Memory::default();
    let named = [("a", array(100))];
    let copied = call(&s3, &pinned(&named), blobs(&named).refused_after(9), LONG).await;
    assert!(matches!(copied, Ok(Copied::Whole(_))), "{copied:?}");
    assert_eq!(s3.object("raw/transactions/v1/a").unwrap(), named[0].1);
    assert_eq!(s3.take_requests().iter().filter(|request| request.starts_with("POST") && request.ends_with("uploads")).count(), 1);
}

/// What a store that goes away interrupts, the next call takes up again: nothing is fetched or sent twice but what was on its way.
#[tokio::test(start_paused = true)]
async fn a_copy_goes_on_after_an_outage() {
    let s3 = Memory::default();
    let named = [("p/a", array(60)), ("p/b", lines(60))];
    let expected = copy_whole(&Memory::default(), &named).await;
    let error = error_of(&s3, &pinned(&named), blobs(&named).away_after(40)).await;
    assert_eq!(error.name(), "SourceUnavailable", "{error}");
    assert_eq!((s3.uploads_under_way(), s3.object(&expected.raw_key)), (1, None));
    let parts_sent = sent_parts(&s3);
    assert!(parts_sent.len() > 5, "{parts_sent:?}");

    let again = blobs(&named);
    let raw = match call(&s3, &pinned(&named), again.clone(), LONG).await {
        Ok(Copied::Whole(raw)) => *raw,
        other => panic!("{other:?}"),
    };
    assert_eq!(raw, expected);
    assert_eq!(s3.object(&raw.raw_key).unwrap(), [named[0].1.clone(), named[1].1.clone()].concat());
    let parts_after = sent_parts(&s3);
    assert!(parts_after.iter().all(|part| !parts_sent.contains(part)), "{parts_sent:?} {parts_after:?}");
    let ranges: usize = named.iter().map(|(_, content)| content.len().div_ceil(at(RANGE))).sum();
    assert!(again.reads() + 30 < ranges, "{} of {ranges}", again.reads());
}

fn sent_parts(s3: &Memory) -> Vec<String> {
    s3.take_requests().into_iter().filter(|request| request.contains("partNumber=")).collect()
}

/// The bucket's lifecycle rule has removed the upload of a checkpoint.
#[tokio::test(start_paused = true)]
async fn a_checkpoint_whose_upload_is_gone_is_taken_back() {
    let s3 = Memory::default();
    let named = [("a", array(100))];
    error_of(&s3, &pinned(&named), blobs(&named).away_after(40)).await;
    s3.forget_uploads();
    let error = error_of(&s3, &pinned(&named), blobs(&named)).await;
    assert!(error.name() == "StorageUnavailable" && error.to_string().contains("is gone"), "{error}");
    let raw = copy_whole(&s3, &named).await;
    assert_eq!(s3.object(&raw.raw_key).unwrap(), named[0].1);
}

#[tokio::test]
async fn a_checkpoint_of_another_shape_is_passed_over() {
    let s3 = Memory::default();
    s3.put("raw/transactions/v1/progress-50.json", "{\"of\": \"another version\"}");
    let named = [("a", array(100))];
    let raw = copy_whole(&s3, &named).await;
    assert_eq!(s3.object(&raw.raw_key).unwrap(), named[0].1);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_which_nothing_arrives_is_no_progress() {
    let s3 = Memory::default();
    let named = [("a", array(100))];
    let copied = call(&s3, &pinned(&named), blobs(&named).delayed(vec![60_000]), Duration::from_secs(9)).await;
    let error = copied.unwrap_err();
    assert!(error.name() == "SourceUnavailable" && error.to_string().contains("no range"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn gzip_goes_on_between_blobs_and_not_within() {
    let text = [array(400), lines(400)];
    let named = [("p/a.json.gz", gzip(&text[0])), ("p/b.json.gz", gzip(&text[1]))];
    let expected = copy_whole(&Memory::default(), &named).await;
    let s3 = Memory::default();
    // Enough time for the first blob and for some of the second.
    let rounds = named[0].1.len().div_ceil(at(RANGE)).div_ceil(ranges_at_once(PART, true)) as u64;
    let copied = call(&s3, &pinned(&named), blobs(&named).delayed(vec![1000]), Duration::from_secs(rounds + 4)).await;
    assert!(matches!(copied, Ok(Copied::Partly)), "{copied:?}");
    assert_eq!(s3.object(&expected.raw_key), None);
    let again = blobs(&named);
    let raw = match call(&s3, &pinned(&named), again.clone(), LONG).await {
        Ok(Copied::Whole(raw)) => *raw,
        other => panic!("{other:?}"),
    };
    assert_eq!((&raw, s3.object(&raw.raw_key).unwrap()), (&expected, text.concat()));
    assert_eq!(again.reads() as u64, (named[1].1.len() as u64).div_ceil(RANGE));

    let s3 = Memory::default();
    let copied = call(&s3, &pinned(&named), blobs(&named).delayed(vec![1000]), Duration::from_secs(4)).await;
    let error = copied.unwrap_err();
    assert!(error.to_string().contains("is gzip and takes longer"), "{error}");
    assert_eq!((s3.keys(), s3.uploads_under_way()), (vec![], 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However often a copy is stopped and gone on with, whatever comes first and whatever fails: it ends as one that goes through.
    #[test]
    fn stops_and_faults_change_nothing(
        sizes in proptest::collection::vec((0usize..40, any::<bool>()), 1..4),
        delays in proptest::collection::vec(10u64..900, 1..9),
        failures in proptest::collection::vec(0u32..3, 1..9),
        // Enough for one range that fails twice.
        time in 4_000u64..9_000,
    ) {
        prop_assume!(sizes.iter().any(|(records, _)| *records > 0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let contents: Vec<Vec<u8>> = sizes.iter().map(|(records, is_array)| if *is_array { array(*records) } else { lines(*records) }).collect();
        let named: Vec<(&str, Vec<u8>)> = ["p/a", "p/b", "p/c"].into_iter().zip(contents.clone()).collect();
        let (raw, expected, object) = runtime.block_on(async {
            let expected = copy_whole(&Memory::default(), &named).await;
            let s3 = Memory::default();
            let mut calls = 0;
            let raw = loop {
                calls += 1;
                assert!(calls < 1000, "it never ends");
                match call(&s3, &pinned(&named), blobs(&named).delayed(delays.clone()).failing(failures.clone()), Duration::from_millis(time)).await {
                    Ok(Copied::Whole(raw)) => break *raw,
                    Ok(Copied::Partly) => assert_eq!(s3.object(&expected.raw_key), None),
                    Err(error) => assert_eq!(error.name(), "SourceUnavailable", "{error}"),
                }
            };
            let object = s3.object(&raw.raw_key).unwrap();
            (raw, expected, object)
        });
        prop_assert_eq!(&raw, &expected);
        prop_assert_eq!(&object, &contents.concat());
        let wanted: Vec<u64> = sizes.iter().flat_map(|(records, _)| 0..*records as u64).collect();
        prop_assert_eq!(numbers(&raw, &object), wanted);
    }
}
