use super::*;
use crate::memory::{Fault, Memory};

/// Small parts, since hashes are slow where nothing is optimised.
const PART: usize = 4096;

const KEY: &str = "a/key";

/// Bytes that differ from part to part.
fn source(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 1000).to_le_bytes()[0]).collect()
}

async fn write_all(upload: &mut Upload<'_>, bytes: &[u8], piece: usize) -> Result<(), Error> {
    for piece in bytes.chunks(piece) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(())
}

async fn upload(s3: &Memory, bytes: &[u8], piece: usize) -> Result<Uploaded, Error> {
    let bucket = s3.bucket();
    let mut upload = Upload::in_parts_of(PART, &bucket, KEY.to_owned());
    write_all(&mut upload, bytes, piece).await?;
    upload.finish().await
}

fn check_stands(s3: &Memory, uploaded: &Uploaded, expected: &[u8]) {
    assert!(s3.object(KEY).is_some_and(|object| object == expected), "the object is another");
    let sha256: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), expected)).into();
    assert_eq!((uploaded.bytes, uploaded.sha256), (expected.len() as u64, sha256));
    assert_eq!(uploaded.crc64, base64_crc(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, expected)));
    assert_eq!(s3.uploads_under_way(), 0);
}

#[tokio::test]
async fn any_pieces_become_the_same_object() {
    for size in [0, 1, PART - 1, PART, PART + 1, 5 * PART + 7] {
        for piece in [PART, PART / 2 + 1, 3 * PART] {
            for s3 in [Memory::default(), Memory::default().keeping_composites()] {
                let source = source(size);
                let uploaded = upload(&s3, &source, piece).await.unwrap();
                check_stands(&s3, &uploaded, &source);
            }
        }
    }
}

#[tokio::test]
async fn faults_that_pass_leave_the_right_object() {
    let source = source(2 * PART + 5);
    let check = async |what: &str, faults: &[Fault]| {
        for s3 in [Memory::default(), Memory::default().keeping_composites()] {
            for fault in faults {
                s3.fail(what, *fault);
            }
            let uploaded = upload(&s3, &source, PART).await.unwrap_or_else(|e| panic!("{what}: {}", crate::error::sentence(&e)));
            check_stands(&s3, &uploaded, &source);
        }
    };
    check("partNumber=2", &[Fault::Refused(503); 5]).await;
    check("partNumber=1", &[Fault::Lost]).await;
    check("POST a/key uploads", &[Fault::Refused(500)]).await;
    check("POST a/key uploadId", &[Fault::Refused(503), Fault::Refused(500)]).await;
    // The first answer is lost; whoever asks again is told that there is no such upload.
    check("POST a/key uploadId", &[Fault::Lost]).await;
}

#[tokio::test]
async fn a_lost_answer_to_a_put_is_harmless() {
    let s3 = Memory::default();
    for _ in 0..ATTEMPTS {
        s3.fail("PUT", Fault::Lost);
    }
    let uploaded = upload(&s3, b"abc", 1).await.unwrap();
    check_stands(&s3, &uploaded, b"abc");
}

#[tokio::test]
async fn another_object_under_the_key_excuses_nothing() {
    let s3 = Memory::default();
    s3.put(KEY, "abd");
    for _ in 0..ATTEMPTS {
        s3.fail("PUT", Fault::Refused(503));
    }
    let error = upload(&s3, b"abc", 1).await.unwrap_err();
    assert_eq!(error.name(), "StorageUnavailable", "{error}");
    assert_eq!(s3.object(KEY).unwrap(), b"abd");
}

#[tokio::test]
async fn flipped_bytes_never_become_visible() {
    for what in ["partNumber=2", "PUT"] {
        let s3 = Memory::default();
        let source = source(if what == "PUT" { 9 } else { 3 * PART });
        s3.fail(what, Fault::Flipped);
        let error = upload(&s3, &source, PART).await.unwrap_err();
        assert!(matches!(error, Error::ObjectCorrupt { .. }), "{error}");
        assert_eq!(s3.object(KEY), None);
    }
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let s3 = Memory::default();
    let bucket = s3.bucket();
    let mut upload = Upload::in_parts_of(PART, &bucket, KEY.to_owned());
    write_all(&mut upload, &source(3 * PART), PART).await.unwrap();
    upload.abort().await;
    assert_eq!((s3.keys(), s3.uploads_under_way()), (vec![], 0));
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_paused() {
    for cut in [0, 1, PART - 1, PART, 2 * PART + 3] {
        let s3 = Memory::default();
        let bucket = s3.bucket();
        let source = source(3 * PART + 9);
        let mut first = Upload::in_parts_of(PART, &bucket, KEY.to_owned());
        write_all(&mut first, &source[..cut], 1000).await.unwrap();
        let paused = serde_json::to_string(&first.pause().await.unwrap()).unwrap();
        // What is written after a pause, and lost with the process, does no harm.
        write_all(&mut first, &vec![0; 2 * PART], 1000).await.unwrap();
        drop(first);
        assert_eq!(s3.object(KEY), None);

        let mut second = Upload::resume(&bucket, KEY.to_owned(), serde_json::from_str(&paused).unwrap()).unwrap();
        assert_eq!(second.bytes(), cut as u64);
        write_all(&mut second, &source[cut..], 1000).await.unwrap();
        let uploaded = second.finish().await.unwrap();
        assert!(s3.object(KEY).is_some_and(|object| object == source), "cut at {cut}");
        assert_eq!(uploaded, upload(&Memory::default(), &source, PART).await.unwrap());
    }
}

#[test]
fn parts_are_as_large_as_the_object_needs() {
    let check = |bytes: u64, expected: usize| assert_eq!(part_bytes(bytes), expected * PART_BYTES, "{bytes}");
    check(0, 1);
    check(10_000 * PART_BYTES as u64, 1);
    check(10_000 * PART_BYTES as u64 + 1, 2);
    check(200_000_000_000, 3);
    check(MAX_OBJECT_BYTES, LARGEST_PART_BYTES / PART_BYTES);
}
