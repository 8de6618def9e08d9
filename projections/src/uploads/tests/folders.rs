//! Folders that have a store of somebody else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rocksdb::{DB, Options};

use crate::uploads::store::check_folder;

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_store_that_has_all_in_tables_of_other_names_is_not_ours() {
    for families in [&["theirs"][..], &[]] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf(&options, folder.path(), families).unwrap();
        match db.cf_handle("theirs") {
            Some(family) => db.put_cf(family, "key", "value").unwrap(),
            None => db.put("key", "value").unwrap(),
        }
        drop(db);
        let before = names(folder.path());
        check_folder(folder.path()).expect_err("it is somebody else's");
        assert_eq!(names(folder.path()), before, "nothing is written");
    }
}
