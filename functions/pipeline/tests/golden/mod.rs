//! What a test makes, beside the file that says what it made before.

use std::path::PathBuf;

#[expect(clippy::disallowed_methods, reason = "the switch of a test")]
pub(crate) fn check(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} differs; look at it, then UPDATE_GOLDEN=1 cargo test -p pipeline", path.display());
}
