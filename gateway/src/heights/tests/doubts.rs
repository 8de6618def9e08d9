#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::SystemTime;

use super::*;

const NOW: u64 = 1_800_000;
const LIE: u64 = 2_400_000;

/// A gateway of these heights, and what other gateways tell, if there are any.
fn start_beside(
    heights: &'static [Option<u64>],
    elsewhere: Option<&'static [u64]>,
    folder: &TempDir,
) -> HeightFeed {
    let gateway = Arc::new(Script { heights, elsewhere, asked: AtomicUsize::new(0) });
    let file = Some(file_in(folder.path()));
    HeightFeed::start(gateway, HeightOptions { interval: INTERVAL, file, ..HeightOptions::default() })
}

fn kept(folder: &TempDir) -> u64 {
    file_in(folder.path()).read().unwrap().height
}

#[tokio::test(start_paused = true)]
async fn one_lie_pins_nothing() {
    let folder = TempDir::new().unwrap();
    let lines = Lines::default();
    let _guard = lines.listen();
    let feed = start(&[Some(NOW), Some(HEIGHT_MAX), Some(HEIGHT_MAX), Some(NOW + 1)], &folder);
    assert_eq!(feed.wait_known().await.height, NOW);
    tokio::time::sleep(INTERVAL / 2).await;
    pass(1).await;
    assert_eq!(height(&feed), Some(NOW));
    assert_eq!(kept(&folder), NOW);
    let doubt = feed.doubt().unwrap();
    assert_eq!(doubt, HeightDoubt::Jump { told: HEIGHT_MAX, most: NOW + 50 });
    pass(1).await;
    assert_eq!(feed.current().unwrap().age, INTERVAL * 2 + INTERVAL / 2, "a lie makes nothing younger");
    pass(1).await;
    assert_eq!((height(&feed), feed.doubt()), (Some(NOW + 1), None));
    let lines = lines.later();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains(&HEIGHT_MAX.to_string()), "{lines:?}");
    assert!(lines[0].contains("ARWEAVE_URL_LIST"), "{lines:?}");
    assert!(lines[1].contains("INFO"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_first_height_beyond_the_age_of_the_chain_is_not_believed() {
    let folder = TempDir::new().unwrap();
    let feed = start(&[Some(HEIGHT_MAX), Some(HEIGHT_MAX), Some(NOW)], &folder);
    tokio::time::sleep(INTERVAL / 2).await;
    assert_eq!(height(&feed), None);
    assert!(matches!(feed.doubt(), Some(HeightDoubt::Jump { told: HEIGHT_MAX, .. })), "{:?}", feed.doubt());
    pass(2).await;
    assert_eq!(height(&feed), Some(NOW));
}

#[tokio::test(start_paused = true)]
async fn a_first_height_that_was_passed_long_ago_needs_a_second_gateway() {
    for (elsewhere, is_believed) in
        [(None, false), (Some(&[][..]), false), (Some(&[NOW]), false), (Some(&[NOW, 12 + 40]), true)]
    {
        let folder = TempDir::new().unwrap();
        let feed = start_beside(&[Some(12)], elsewhere, &folder);
        tokio::time::sleep(INTERVAL / 2).await;
        let expected = if is_believed { (Some(12), None) } else { (None, feed.doubt()) };
        assert_eq!((height(&feed), feed.doubt()), expected, "{elsewhere:?}");
        let is_low = matches!(feed.doubt(), Some(HeightDoubt::Low { told: 12, .. }));
        assert_ne!(is_low, is_believed);
    }
    // An operator knows it, too.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("height"), "12\n").unwrap();
    let feed = start_beside(&[Some(13)], None, &folder);
    tokio::time::sleep(INTERVAL / 2).await;
    assert_eq!((height(&feed), feed.doubt()), (Some(13), None));
}

#[tokio::test(start_paused = true)]
async fn a_first_height_needs_a_second_gateway_where_there_is_one() {
    let alone = |other| Some(HeightDoubt::Alone { told: NOW, elsewhere: other });
    for (elsewhere, expected, doubt) in [
        (None, Some(NOW), None),
        (Some(&[NOW + 3][..]), Some(NOW), None),
        (Some(&[NOW + 1000, NOW - 3]), Some(NOW - 3), None),
        (Some(&[]), None, alone(None)),
        (Some(&[NOW + 1000]), None, alone(Some(NOW + 1000))),
        // Whoever is right, it is two that tell it.
        (Some(&[NOW + 1001, 7, NOW + 1000]), Some(NOW + 1000), alone(Some(NOW + 1001))),
        (Some(&[7, 8]), None, alone(Some(7))),
        (Some(&[HEIGHT_MAX, HEIGHT_MAX]), None, alone(Some(HEIGHT_MAX))),
    ] {
        let folder = TempDir::new().unwrap();
        let lines = Lines::default();
        let _guard = lines.listen();
        let feed = start_beside(&[Some(NOW)], elsewhere, &folder);
        tokio::time::sleep(INTERVAL / 2).await;
        assert_eq!((height(&feed), feed.doubt()), (expected, doubt), "{elsewhere:?}");
        assert!(lines.all().iter().all(|line| line.contains("INFO") != line.contains("WARN")));
        let rests_on_one = lines.all().iter().any(|line| line.contains("word of one gateway"));
        assert_eq!(rests_on_one, elsewhere.is_none(), "{:?}", lines.all());
        pass(3).await;
        assert!(lines.all().len() <= 2, "it is told once: {:?}", lines.all());
    }
    // They agree later.
    let folder = TempDir::new().unwrap();
    let feed = start_beside(&[Some(LIE), Some(LIE), Some(NOW)], Some(&[NOW]), &folder);
    pass(1).await;
    assert_eq!(height(&feed), None);
    pass(2).await;
    assert_eq!((height(&feed), feed.doubt(), kept(&folder)), (Some(NOW), None, NOW));
}

#[tokio::test(start_paused = true)]
async fn many_small_lies_get_no_further_than_time() {
    static RISING: [Option<u64>; 400] = {
        let mut heights = [None; 400];
        let mut turn = 0;
        while turn < 400 {
            heights[turn] = Some(NOW + 40 * turn as u64);
            turn += 1;
        }
        heights
    };
    let folder = TempDir::new().unwrap();
    let feed = start(&RISING, &folder);
    pass(350).await;
    let grown = height(&feed).unwrap() - NOW;
    let seconds = 350 * INTERVAL.as_secs();
    assert!(grown <= 50 + seconds / 30, "{grown} blocks in {seconds} seconds");
    assert!(matches!(feed.doubt(), Some(HeightDoubt::Jump { .. })), "{:?}", feed.doubt());
}

#[tokio::test(start_paused = true)]
async fn a_jump_counts_when_two_tell_it() {
    for (elsewhere, expected, doubted) in [
        (&[LIE - 1, NOW].as_slice(), LIE - 1, false),
        (&[LIE + 1].as_slice(), LIE, false),
        (&[NOW + 7].as_slice(), NOW + 7, true),
        (&[NOW - 7].as_slice(), NOW, true),
        (&[].as_slice(), NOW, true),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("height"), format!("{NOW}\n")).unwrap();
        let feed = start_beside(&[Some(NOW), Some(LIE)], Some(elsewhere), &folder);
        pass(2).await;
        assert_eq!(height(&feed), Some(expected), "{elsewhere:?}");
        assert_eq!(feed.doubt().is_some(), doubted, "{elsewhere:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_chain_grows_while_nobody_tells() {
    const HOURS: u32 = 24;
    const LATER: u64 = NOW + HOURS as u64 * 30;
    let folder = TempDir::new().unwrap();
    let feed = start(&[Some(NOW), None], &folder);
    feed.wait_known().await;
    pass(1).await;
    drop(feed);

    // A day's silence of a gateway, and a day's rest of the node.
    static TOLD: [Option<u64>; (HOURS * 720 + 1) as usize] = {
        let mut heights = [None; (HOURS * 720 + 1) as usize];
        heights[(HOURS * 720) as usize] = Some(LATER);
        heights
    };
    let feed = start(&TOLD, &folder);
    pass(HOURS * 720 + 1).await;
    assert_eq!(height(&feed), Some(LATER));
    drop(feed);

    let path = folder.path().join("height");
    fs::write(&path, format!("{NOW}\n")).unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(u64::from(HOURS) * 3600);
    fs::File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
    let feed = start(&[Some(LATER)], &folder);
    pass(1).await;
    assert_eq!(height(&feed), Some(LATER));
}

#[tokio::test(start_paused = true)]
async fn a_height_far_above_what_the_gateway_tells_is_said_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("height"), format!("{LIE}\n")).unwrap();
    let lines = Lines::default();
    let _guard = lines.listen();
    let feed = start(&[Some(NOW)], &folder);
    pass(3).await;
    assert_eq!(height(&feed), Some(LIE), "it never goes backwards by itself");
    assert_eq!(feed.doubt(), Some(HeightDoubt::Behind { told: NOW, known: LIE }));
    assert!(feed.current().unwrap().age >= INTERVAL * 3, "{:?}", feed.current());
    assert_eq!(lines.later().len(), 1, "{:?}", lines.later());
    assert!(lines.later()[0].contains("height.json"), "{:?}", lines.later());
}

#[tokio::test(start_paused = true)]
async fn a_store_with_an_impossible_height_gets_the_right_one() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("height"), format!("{HEIGHT_MAX}\n")).unwrap();
    let lines = Lines::default();
    let _guard = lines.listen();
    let feed = start_signed(&[Some(NOW)], &folder, Some(HEIGHT_MAX));
    assert_eq!(feed.current(), None);
    assert_eq!(lines.later().len(), 2, "the file and the assignment are told: {:?}", lines.later());
    pass(1).await;
    assert_eq!(height(&feed), Some(NOW));
    assert_eq!(kept(&folder), NOW);
    drop(feed);
    // The newest assignment is still the same at the next start.
    assert_eq!(height(&start_signed(&[None], &folder, Some(HEIGHT_MAX))), Some(NOW));
}

#[tokio::test(start_paused = true)]
async fn an_operator_corrects_the_height_in_the_file() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("height"), format!("{NOW}\n")).unwrap();
    let feed = start_signed(&[None], &folder, Some(LIE));
    pass(1).await;
    assert_eq!(height(&feed), Some(NOW));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stood_still_goes_on() {
    const STILL: usize = 3 * 720;
    static TOLD: [Option<u64>; STILL + 1] = {
        let mut heights = [Some(NOW); STILL + 1];
        heights[STILL] = Some(NOW + 90);
        heights
    };
    let folder = TempDir::new().unwrap();
    let feed = start(&TOLD, &folder);
    pass(u32::try_from(STILL).unwrap() + 1).await;
    assert_eq!(height(&feed), Some(NOW + 90), "three hours have room for it");
}

#[tokio::test(start_paused = true)]
async fn what_was_doubted_counts_when_the_chain_can_have_got_there() {
    let folder = TempDir::new().unwrap();
    // Told again and again: 100 blocks take 50 minutes at the least.
    let feed = start(&[Some(NOW), Some(NOW + 100)], &folder);
    pass(2).await;
    assert_eq!(height(&feed), Some(NOW));
    pass(720).await;
    assert_eq!(height(&feed), Some(NOW + 100));
}
