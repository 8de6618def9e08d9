//! A folder that a setting names and that is not ours is refused, and nothing in it is touched.

use std::fs;

use quipu_tests::{Launch, data};

use crate::folder;

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_left_alone() {
    let (folder, theirs) = (folder(), folder());
    let kept =
        [("CURRENT", "MANIFEST-000004\n"), ("MANIFEST-000004", "theirs"), ("000007.sst", "assignments")];
    kept.iter().for_each(|(name, text)| fs::write(theirs.path().join(name), text).unwrap());
    let launch = Launch::su(folder.path()).set("SU_INDEX_DB_DIR", theirs.path());
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for told in ["SU_INDEX_DB_DIR", "RocksDB", theirs.path().to_str().unwrap()] {
        assert!(refused.stderr.contains(told), "{told} is not said: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), kept.len(), "something was added or deleted");
    for (name, text) in kept {
        assert_eq!(fs::read_to_string(theirs.path().join(name)).unwrap(), text, "{name}");
    }
    assert!(!launch.data().join("log").exists(), "a log was made all the same");
    // One that is empty is taken, and is ours from then on.
    let own = theirs.path().join("empty");
    fs::create_dir(&own).unwrap();
    let launch = launch.set("SU_INDEX_DB_DIR", own);
    (0..2).for_each(|_| drop(launch.serve().stop()));
}

#[test]
fn a_store_of_the_existing_scheduler_is_refused_and_left_alone() {
    let (folder, theirs) = (folder(), folder());
    let kept = fs::read_dir(data("existing_scheduler/file_store")).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<_> = kept.collect();
    for file in &kept {
        fs::copy(file, theirs.path().join(file.file_name().unwrap())).unwrap();
    }
    let launch = Launch::su(folder.path()).set("SU_FILE_DB_DIR", theirs.path());
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for told in ["SU_FILE_DB_DIR", "a store of the existing ao scheduler", theirs.path().to_str().unwrap()] {
        assert!(refused.stderr.contains(told), "{told} is not said: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), kept.len(), "something was added or deleted");
    for file in kept {
        let now = fs::read(theirs.path().join(file.file_name().unwrap())).unwrap();
        assert!(fs::read(&file).unwrap() == now, "{} has changed", file.display());
    }
}
