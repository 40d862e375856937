//! What an operator gives, as the state of an ensemble.

use super::*;
use crate::storage::ZxidDigest;
use oxkeeper_codec::file::DIGEST_VERSION;

/// What an operator has given is installed as the state behind a transaction of this ensemble, whatever the file says of itself.
#[test]
fn a_copy_of_a_file_is_installed_as_another_transaction() {
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        let given = MemoryDisk::new("/given");
        let disk: Arc<dyn Disk> = Arc::new(given.clone());
        let name = SnapshotName { zxid: Zxid(9 * EPOCH + 3), compression };
        let mut written = SnapshotWriter::create(Arc::clone(&disk), name.zxid, compression).unwrap();
        written.write(&snapshot_body([1, 2])).unwrap();
        let digest = ZxidDigest { zxid: name.zxid, version: DIGEST_VERSION, digest: 5 };
        written.finish(&SnapshotTail { digest: Some(digest), last_zxid: Some(name.zxid) }).unwrap();
        let file = given.read(&name.file_name()).unwrap();

        let own = directory(&[]);
        let place = Zxid(EPOCH + 1);
        let disk: Arc<dyn Disk> = Arc::new(own.clone());
        let mut received = ReceivedSnapshot::copy_of(&disk, &file, name).unwrap();
        assert_eq!(history(&own), Ok(Vec::new()), "it has no effect yet");
        received.becomes(place);
        received.install(&mut writer(&own), None).unwrap();
        let (found, _) = recovered(&own).unwrap();
        assert_eq!((found.last_zxid, history(&own)), (place, Ok(vec![1, 2])), "{compression:?}");

        let cut = ReceivedSnapshot::copy_of(&disk, &file[..file.len() / 2], name);
        assert!(cut.is_err(), "{compression:?}");
        assert!(names_of(&own).iter().all(|name| !name.contains("install")), "nothing is left of it");
    }
}
