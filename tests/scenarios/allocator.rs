//! What a node allocates with.

use std::process::Command;

use quipu_tests::quipu;

#[test]
fn all_that_is_in_the_binary_allocates_with_what_gives_memory_back() {
    // Under this name jemalloc is told what to do only where it stands in for the system's allocator, in whatever language.
    let told =
        Command::new(quipu()).arg("--version").env("MALLOC_CONF", "stats_print:true").output().unwrap();
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("jemalloc statistics"), "{told}");
    assert!(told.contains("background_thread: true"), "{told}");
}
