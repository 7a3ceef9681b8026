use cloud::memory::Memory;
use pipeline::contract::Plan;
use pipeline::manifest::{ContractRef, CustomersRef, Place, Replay as TakenOut, RunInput};
use pipeline::mask::Masker;
use pipeline::merge::{Job, Merged, Sinks, merge};
use pipeline::split::{Format, SplitFinder};

use super::*;

const CONTRACT: &[u8] = include_bytes!("../../../../contract.odcs.yaml");
const RAW_KEY: &str = "raw/transactions/v1/t.json";

fn run_id(name: &str) -> RunId {
    RunId::try_from(name.to_owned()).unwrap()
}

fn transaction(id: u32, amount: &str) -> String {
    format!(r#"{{"transaction_id":"T{id}","customer_id":"C1","amount":{amount},"currency":"EUR","transaction_ts":"2026-01-01T00:00:00Z"}}"#)
}

/// A run of that name over this source, as its fetch and its merge leave it.
fn run(store: &Memory, name: &str, source: &[u8], split_bytes: u64) -> RawManifest {
    let mut finder = SplitFinder::new(split_bytes);
    finder.push(source).unwrap();
    let layout = finder.finish().unwrap().unwrap();
    let raw = RawManifest {
        uri: "https://a/b/t.json".into(),
        version: "v1".into(),
        etag: "e1".into(),
        modified_at: "2026-01-01T00:00:00Z".into(),
        raw_key: RAW_KEY.into(),
        original_key: None,
        bytes: source.len() as u64,
        md5: String::new(),
        sha256: String::new(),
        crc64nvme: None,
        format: layout.format,
        records: layout.records,
        splits: layout.splits,
        blobs: Vec::new(),
        replay: None,
    };
    store.put(RAW_KEY, source);
    store.put_json("raw/transactions/v1/manifest.json", &raw);
    merge_splits(store, name, &raw, "raw/transactions/v1/manifest.json");
    raw
}

/// What the merge leaves of a run whose bytes lie at `raw.raw_key`.
fn merge_splits(store: &Memory, name: &str, raw: &RawManifest, raw_manifest: &str) {
    let run_id = run_id(name);
    let plan = Plan::compile(CONTRACT).unwrap();
    store.put(&run_id.contract_key(), CONTRACT);
    let contract = ContractRef { key: run_id.contract_key(), sha256: plan.sha256.clone(), version: plan.version.clone() };
    let customers =
        CustomersRef { uri: String::new(), bucket: "bucket".into(), key: "c".into(), etag: String::new(), version_id: None, bytes: 1 };
    let inputs = Inputs {
        run_id: run_id.clone(),
        input: RunInput::default(),
        started_at: "2026-01-01T02:00:00Z".into(),
        contract,
        customers,
        raw_manifest: raw_manifest.to_owned(),
    };
    store.put_json(&run_id.inputs_key(), &inputs);
    let bytes = store.object(&raw.raw_key).unwrap();
    for (number, split) in raw.splits.iter().enumerate() {
        let list = raw.replay.as_ref().map(|replay| store.object(&replay.places_key).unwrap());
        let places = list.map(|list| pipeline::replay::Places::read(list.as_slice(), split).unwrap());
        let masker = Masker::default();
        let job = Job { is_first: number == 0, places: places.as_ref(), ..Job::new(&plan, &masker, raw.format, split.start) };
        let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
        let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
        // One customer breaks a rule, too, and is nothing to replay.
        let customers = b"customer_id,first_name\nC1,Ada\n,No\n".as_slice();
        let Merged { sinks, ledger, .. } = merge(&job, customers, &bytes[range], sinks).unwrap();
        let number = u32::try_from(number).unwrap();
        let written = |key: String, bytes: &[u8]| {
            store.put(&key, bytes);
            Written { key, bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
        };
        let clean = written(run_id.clean_key(number), &sinks.clean);
        let quarantine = written(run_id.quarantine_key(number), &sinks.quarantine);
        store.put_json(&run_id.part_key(number), &Part { split: number, clean, quarantine, ledger });
    }
}

async fn replay(store: &Memory, name: &str, of: &str, split_bytes: u64) -> Result<RawManifest, Error> {
    let (key, raw) = take_up(&store.bucket(), &run_id(name), &run_id(of), split_bytes).await?;
    assert_eq!(key, run_id(name).replay_manifest_key());
    Ok(raw)
}

fn places(store: &Memory, name: &str) -> Vec<Place> {
    serde_json::from_slice(&store.object(&run_id(name).places_key()).unwrap()).unwrap()
}

/// Twelve records, every third of them bad; in an array one of those goes over two lines.
fn records() -> Vec<String> {
    let record = |id| transaction(id, if id % 3 == 0 { "-1" } else { "1" });
    (0..12).map(record).map(|record| record.replace("\"T6\",", "\"T6\",\n")).collect()
}

#[tokio::test]
async fn quarantined_records_are_laid_out_byte_for_byte() {
    let array = (Format::Array, format!("[{}]", records().join(", ")));
    let lines = records().iter().map(|record| record.replace('\n', "") + "\r\n").collect::<String>();
    for (format, source) in [array, (Format::Ndjson, lines)] {
        for split_bytes in [u64::MAX, 250] {
            let store = Memory::default();
            let origin = run(&store, "first", source.as_bytes(), split_bytes);
            let raw = replay(&store, "again", "first", split_bytes).await.unwrap();

            let object = store.object(&raw.raw_key).unwrap();
            let bad: Vec<_> = records().into_iter().step_by(3).collect();
            let expected = match format {
                Format::Array => format!("[{}]", bad.join(",\n")),
                Format::Ndjson => bad.iter().map(|record| record.replace('\n', "") + "\n").collect(),
            };
            assert_eq!(String::from_utf8_lossy(&object), expected);
            for place in places(&store, "again") {
                let [at, offset] = [place.at, place.offset].map(|at| usize::try_from(at).unwrap());
                assert_eq!(object[at..at + 40], source.as_bytes()[offset..offset + 40], "{place:?}");
            }
            let expected = RawManifest {
                raw_key: "runs/again/replay/transactions.json".into(),
                bytes: object.len() as u64,
                md5: hex(&Md5::digest(&object)),
                sha256: hex(&Sha256::digest(&object)),
                records: 4,
                splits: raw.splits.clone(),
                replay: Some(TakenOut {
                    of: run_id("first"),
                    source_key: RAW_KEY.into(),
                    places_key: "runs/again/replay/places.json".into(),
                }),
                ..origin
            };
            assert_eq!(raw, expected);
            assert_eq!(raw.splits.len(), if split_bytes == 250 { 2 } else { 1 });
            assert_eq!(raw.splits.iter().map(|split| split.records).sum::<u64>(), 4);
        }
    }
}

#[tokio::test]
async fn what_was_laid_out_is_found_again() {
    let store = Memory::default();
    run(&store, "first", format!("[{}]", records().join(",")).as_bytes(), u64::MAX);
    let raw = replay(&store, "again", "first", u64::MAX).await.unwrap();
    store.take_requests();
    // Even if what it was made from has expired since.
    store.remove(RAW_KEY);
    assert_eq!(replay(&store, "again", "first", 7).await.unwrap(), raw);
    assert_eq!(store.take_requests(), ["GET runs/again/replay/manifest.json"]);
}

/// The second replay reads the first source, not what the first replay has laid out.
#[tokio::test]
async fn a_replay_is_replayed() {
    let store = Memory::default();
    run(&store, "first", format!("[{}]", records().join(",")).as_bytes(), 250);
    let once = replay(&store, "second", "first", 250).await.unwrap();
    merge_splits(&store, "second", &once, &run_id("second").replay_manifest_key());
    store.take_requests();
    let twice = replay(&store, "third", "second", 250).await.unwrap();
    assert!(!store.take_requests().iter().any(|request| request.contains("runs/second/replay/transactions.json")));
    assert_eq!(store.object(&twice.raw_key), store.object(&once.raw_key));
    assert_eq!(places(&store, "third"), places(&store, "second"));
    let taken_out = twice.replay.unwrap();
    assert_eq!((taken_out.of, taken_out.source_key.as_str(), twice.version.as_str()), (run_id("second"), RAW_KEY, "v1"));
}

/// Records that are near each other come by one request, and what lies between distant ones is not read.
#[tokio::test]
async fn near_records_come_together() {
    let bad = |id| transaction(id, "-1");
    let apart = |bytes: u64| " ".repeat(usize::try_from(bytes).unwrap());
    // A comma stands between two records, too.
    let source = format!("[{},{}{},{}{}]", bad(1), apart(GAP_BYTES - 1), bad(2), apart(GAP_BYTES), bad(3));
    let store = Memory::default();
    run(&store, "first", source.as_bytes(), u64::MAX);
    store.take_requests();
    replay(&store, "again", "first", u64::MAX).await.unwrap();
    let third = source.rfind('{').unwrap();
    let second = source[..third].rfind('}').unwrap();
    let ranges: Vec<_> = store.take_requests().into_iter().filter(|request| request.contains("bytes=")).collect();
    let expected = [(1, second), (third, source.len() - 2)].map(|(start, last)| format!("GET {RAW_KEY} bytes={start}-{last}"));
    assert_eq!(ranges, expected);
}

#[test]
fn what_is_held_at_once_is_bounded() {
    let rejection = |offset: u64, record: String| Ok::<_, ()>(Quarantined { offset, record_bytes: 1, record });
    let small = (0..25_000).map(|n| rejection(n * 10, "x".to_owned()));
    let large = (0..200).map(|n| rejection(1_000_000 + n * 10, "x".repeat(65_535)));
    let mut rejections = small.chain(large).peekable();
    let lengths = std::iter::from_fn(|| Some(next_near(&mut rejections).unwrap().len()).filter(|n| *n > 0)).collect::<Vec<_>>();
    // The third time there is room for the last 5,000 small texts and for 128 large ones.
    assert_eq!(lengths, [10_000, 10_000, 5_128, 72]);
    let mut broken = [rejection(0, String::new()), Err(()), rejection(9, String::new())].into_iter().peekable();
    assert_eq!(next_near(&mut broken), Err(()));
}

#[test]
fn records_are_cut_out_however_their_bytes_arrive() {
    let source: Vec<u8> = (0..200).collect();
    let rejection = |offset: u64, record_bytes| Quarantined { offset, record_bytes, record: String::new() };
    // One behind the other, one of no bytes, one behind a gap.
    let rejections = [rejection(5, 10), rejection(15, 1), rejection(20, 0), rejection(150, 50)];
    for chunk in [1, 2, 7, 64, 1000] {
        let mut arrived = Arrived { bytes: BytesMut::new(), at: 5 };
        let mut chunks = source[5..].chunks(chunk);
        for rejection in &rejections {
            let record = loop {
                match arrived.take(rejection) {
                    Some(record) => break record,
                    None => arrived.bytes.extend_from_slice(chunks.next().unwrap()),
                }
            };
            let [start, end] = [rejection.offset, rejection.end()].map(|at| usize::try_from(at).unwrap());
            assert_eq!(record, source[start..end], "{rejection:?} in chunks of {chunk}");
        }
        assert!(chunks.next().is_none() && arrived.bytes.is_empty());
    }
}

/// Bytes that are no text, and lines that are none, are records like any other.
#[tokio::test]
async fn unreadable_lines_are_laid_out_too() {
    let mut source = transaction(1, "1").into_bytes();
    for line in [b"[1, 2]".as_slice(), b"\xFF\xFEx\0", b" \x0C\x0C ", &vec![b'x'; 70_000], b"\x1F\x8B"] {
        source.push(b'\n');
        source.extend_from_slice(line);
    }
    let store = Memory::default();
    run(&store, "first", &source, u64::MAX);
    let raw = replay(&store, "again", "first", u64::MAX).await.unwrap();
    let long = vec![b'x'; 70_000];
    let expected = [b"[1, 2]\n\xFF\xFEx\0\n\x0C\n".as_slice(), &long, b"\n\x1F\x8B\n"].concat();
    assert_eq!(store.object(&raw.raw_key), Some(expected));
    merge_splits(&store, "again", &raw, &run_id("again").replay_manifest_key());
    let rejections = |name: &str| {
        let file = store.object(&run_id(name).quarantine_key(0)).unwrap();
        QuarantineReader::new(file.into(), "transactions").unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(rejections("again"), rejections("first"));
}

#[tokio::test]
async fn what_is_gone_is_named() {
    let source = format!("[{}]", records().join(","));
    let first = run_id("first");
    let (inputs, contract, part, file) = (first.inputs_key(), first.contract_key(), first.part_key(1), first.quarantine_key(0));
    for gone in [inputs.as_str(), "raw/transactions/v1/manifest.json", &contract, RAW_KEY, &part, &file] {
        let store = Memory::default();
        run(&store, "first", source.as_bytes(), 250);
        store.remove(gone);
        match replay(&store, "again", "first", 250).await {
            Err(Error::ReplayMissing { of, uri }) => assert_eq!((of, uri), (run_id("first"), format!("s3://bucket/{gone}"))),
            other => panic!("{gone}: {other:?}"),
        }
        assert!(!store.keys().iter().any(|key| key.contains("again")), "{gone}");
    }
}

#[tokio::test]
async fn nothing_quarantined_is_nothing_to_replay() {
    for source in [transaction(1, "1"), "[]".to_owned()] {
        let store = Memory::default();
        run(&store, "first", source.as_bytes(), u64::MAX);
        match replay(&store, "again", "first", u64::MAX).await {
            Err(Error::ReplayEmpty { of }) => assert_eq!(of, run_id("first")),
            other => panic!("{source}: {other:?}"),
        }
        assert!(!store.keys().iter().any(|key| key.contains("again")));
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_was_quarantined_are_refused() {
    let source = format!("[{}]", records().join(","));
    let bad = source.find("\"T3\"").unwrap();
    let check = async |key: &str, bytes: Vec<u8>, expected: &str| {
        let store = Memory::default();
        run(&store, "first", source.as_bytes(), u64::MAX);
        store.put(key, bytes);
        match replay(&store, "again", "first", u64::MAX).await {
            Err(error @ Error::ReplayCorrupt { .. }) => {
                let message = error.to_string();
                assert!(message.contains(expected) && message.contains(key), "{expected}: {message}");
            }
            other => panic!("{expected}: {other:?}"),
        }
        assert!(!store.keys().iter().any(|key| key.contains("again")), "{expected}");
    };
    let mut other = source.clone().into_bytes();
    other[bad + 2] = b'4';
    let start = source[..bad].rfind('{').unwrap();
    check(RAW_KEY, other, &format!("another record stands at byte {start}")).await;
    let moved = source.replacen("},", "} ,", 1);
    check(RAW_KEY, moved.into_bytes(), "another record stands at byte").await;
    check(RAW_KEY, source.as_bytes()[..start + 10].to_vec(), "it ends before the record at byte").await;
    check(&run_id("first").quarantine_key(0), b"PAR1".to_vec(), "its SHA-256 is another").await;

    // A file and its books that agree with each other, and not on how many there are.
    let store = Memory::default();
    run(&store, "first", source.as_bytes(), u64::MAX);
    let key = run_id("first").part_key(0);
    let mut part: Part = serde_json::from_slice(&store.object(&key).unwrap()).unwrap();
    part.ledger.transactions.quarantined += 1;
    store.put_json(&key, &part);
    let error = replay(&store, "again", "first", u64::MAX).await.unwrap_err().to_string();
    assert!(error.contains("it has 4 transactions, and its books say 5"), "{error}");
}
