#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

use super::*;

fn left(budget: &Budget) -> Vec<isize> {
    Share::ALL.iter().map(|share| *budget.lock().left.get(*share)).collect()
}

/// Somebody who holds some of a share and gives it back when cut off, after a while.
fn holds(budget: &Budget, share: Share, due: u64, gives: Duration) -> JoinHandle<()> {
    let (budget, cut) = (budget.clone(), Arc::new(Notify::new()));
    let claim = budget.try_claim(share, 100).unwrap();
    let tenure = budget.tenure(&[share], Instant::now() + Duration::from_secs(due), cut.clone());
    tokio::spawn(async move {
        let _tenure = tenure;
        cut.notified().await;
        tokio::time::sleep(gives).await;
        drop(claim);
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_comes_back_with_its_last_holder() {
    let budget = Budget::new(1600);
    assert_eq!(left(&budget), [200, 150, 300, 500, 500, 100]);
    let mut claim = budget.claim(Share::Small, 300).await.unwrap();
    for (share, bytes) in [(Share::Large, 300), (Share::Waits, 50), (Share::Brief, 60)] {
        claim.grow(share, bytes).await.unwrap();
    }
    assert!(budget.try_claim(Share::Small, 1).is_none());
    assert!(budget.claim(Share::Large, 201).await.is_err(), "there is nobody to cut off");
    let bytes = claim.over(vec![1; 600]);
    let part = bytes.slice(5..6);
    drop(bytes);
    assert_eq!(left(&budget), [200, 100, 0, 200, 500, 40]);
    drop(part);
    assert_eq!(left(&budget), [200, 150, 300, 500, 500, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_corrected_to_what_is_in_use() {
    let budget = Budget::new(1600);
    let mut claim = budget.claim(Share::Answers, 100).await.unwrap();
    claim.correct(Share::Answers, 40);
    assert_eq!(left(&budget)[4], 460);
    claim.correct(Share::Answers, 600);
    assert_eq!(left(&budget)[4], -100);
    assert!(budget.try_claim(Share::Answers, 1).is_none());
    drop(claim);
    assert_eq!(left(&budget), [200, 150, 300, 500, 500, 100]);
}

#[tokio::test(start_paused = true)]
async fn who_is_due_for_longest_is_cut_off_for_a_claim() {
    let budget = Budget::new(1600);
    let (later, sooner) =
        (holds(&budget, Share::Reads, 3, Duration::ZERO), holds(&budget, Share::Reads, 2, Duration::ZERO));
    tokio::task::yield_now().await;
    assert!(budget.claim(Share::Reads, 1).await.is_err(), "nobody is due");
    advance(Duration::from_secs(4)).await;
    let claim = budget.claim(Share::Reads, 100).await.unwrap();
    sooner.await.unwrap();
    assert!(!later.is_finished());
    drop(budget.claim(Share::Reads, 100).await.unwrap());
    later.await.unwrap();
    drop(claim);
    assert_eq!(left(&budget), [200, 150, 300, 500, 500, 100]);
    assert!(budget.lock().due.get(Share::Reads).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_cut_off_for_what_others_hold() {
    let budget = Budget::new(1600);
    let large = holds(&budget, Share::Large, 0, Duration::ZERO);
    let _answers = budget.try_claim(Share::Answers, 500).unwrap();
    advance(Duration::from_secs(1)).await;
    assert!(budget.claim(Share::Answers, 1).await.is_err());
    tokio::task::yield_now().await;
    assert!(!large.is_finished());
    assert!(budget.claim(Share::Large, 500).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_that_was_cut_off_is_waited_for_before_the_next() {
    let budget = Budget::new(1600);
    let second = Duration::from_secs(1);
    let (first, other) = (holds(&budget, Share::Reads, 0, second), holds(&budget, Share::Reads, 0, second));
    advance(second).await;
    let (waiting, started) = (budget.clone(), Instant::now());
    let claim = tokio::spawn(async move { waiting.claim(Share::Reads, 100).await.map(drop) });
    // What comes and goes meanwhile is no reason to cut off more, or to give up.
    for _ in 0..5 {
        advance(second / 10).await;
        for share in [Share::Small, Share::Large, Share::Answers] {
            drop(budget.try_claim(share, 10).unwrap());
        }
        let mut much = budget.nothing();
        much.correct(Share::Reads, 1);
        drop(much);
        tokio::task::yield_now().await;
    }
    assert!(!claim.is_finished());
    claim.await.unwrap().unwrap();
    assert!(started.elapsed() < 2 * second);
    first.await.unwrap();
    assert_eq!(budget.lock().due.get(Share::Reads).len(), 1);
    assert!(!other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn who_moves_is_not_due() {
    let budget = Budget::new(1600);
    let second = Duration::from_secs(1);
    let mut tenure = budget.tenure(&[Share::Reads], Instant::now(), Arc::default());
    tenure.put_off(Instant::now() + second);
    assert!(budget.cut_one(Share::Reads, None).is_none());
    tenure.holds(Share::Answers);
    tenure.rest(Share::Answers);
    advance(second).await;
    assert!(budget.cut_one(Share::Answers, None).is_none());
    assert!(budget.cut_one(Share::Reads, None).is_some());
    // It is being cut off, and that is not taken back.
    tenure.put_off(Instant::now() + 9 * second);
    assert!(budget.lock().due.get(Share::Reads).is_empty());
    assert_eq!(budget.lock().due.get(Share::Answers).len(), 1);
    drop(tenure);
    assert!(budget.lock().due.get(Share::Answers).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_holds_a_small_part_of_what_is_scarce() {
    let budget = Budget::new(16 * 1600);
    let whole = budget.share(Share::Answers);
    let (many, other) = (Arc::<Holder>::default(), Arc::<Holder>::default());
    let claim = |holder: &Arc<Holder>| holder.pays_now(|| budget.try_claim(Share::Answers, 100));
    let mut held: Vec<_> = std::iter::from_fn(|| claim(&many)).collect();
    assert_eq!(held.len(), whole / 2 / 100, "there is as much left for others");
    let theirs: Vec<_> = std::iter::from_fn(|| claim(&other)).collect();
    assert_eq!(theirs.len(), whole / 16 / 100);
    // One alone may be larger than the part is.
    let alone = Arc::<Holder>::default();
    let mut body = alone.pays_now(|| budget.nothing());
    for _ in 0..10 {
        body.grow(Share::Answers, whole / 40).await.unwrap();
    }
    assert!(claim(&alone).is_none());
    drop(body);
    drop(theirs);
    assert!(claim(&other).is_some());
    held.truncate(1);
    assert!(claim(&many).is_some());
    // What is only a guess is not held against it before it is known.
    let mut guess = many.pays_now(|| budget.try_claim(Share::Answers, whole / 3)).unwrap();
    let _scarce = budget.try_claim(Share::Answers, whole / 2).unwrap();
    assert!(claim(&many).is_some());
    guess.correct(Share::Answers, whole / 10);
    assert!(claim(&many).is_none());
    // Once it is known, it is held against the next guess.
    let next = many.pays_now(|| budget.claim_now(Share::Answers, whole / 15));
    assert_eq!(next.unwrap_err(), Lack::HoldsEnough);
    assert!(other.pays_now(|| budget.try_claim(Share::Answers, whole / 15)).is_some());
    drop((guess, held));
    assert_eq!(many.held(Share::Answers), 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_leaves_most_of_what_is_scarce_to_others() {
    for (share, is_bounded) in Share::ALL.map(|share| (share, share == Share::Answers)) {
        let budget = Budget::new(16 * 1600);
        let whole = budget.share(share);
        // As many connections as one wants.
        let claim = |client: Option<u8>| {
            let holder = Holder::of(client.map(|client| [192, 0, 2, client].into()));
            holder.pays_now(|| budget.claim_now(share, 50))
        };
        let all_of = |client| std::iter::from_fn(|| claim(client).ok()).collect::<Vec<_>>();
        let mut held = all_of(Some(1));
        if !is_bounded {
            assert_eq!(held.len(), whole / 50, "{share:?}");
            continue;
        }
        assert_eq!(held.len(), whole / 2 / 50, "{share:?}");
        assert_eq!(claim(Some(1)).unwrap_err(), Lack::AddressHoldsEnough);
        let theirs = all_of(Some(2));
        assert_eq!(theirs.len(), whole / 4 / 50, "{share:?}");
        assert_eq!(budget.lock().networks.len(), 2);
        // Those behind a proxy are not counted together.
        let proxied = all_of(None);
        assert_eq!(proxied.len(), whole / 4 / 50, "{share:?}");
        assert_eq!(claim(Some(3)).unwrap_err(), Lack::NotThere);
        // It gets no more before it holds less than its part.
        held.truncate(whole / 4 / 50);
        assert_eq!(claim(Some(1)).unwrap_err(), Lack::AddressHoldsEnough);
        held.pop();
        assert!(claim(Some(1)).is_ok());
        drop((held, theirs, proxied));
        assert_eq!((left(&budget), budget.lock().networks.len()), (left(&Budget::new(16 * 1600)), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_holds_too_much_is_cut_off_for_others_of_its_address_alone() {
    let budget = Budget::new(16 * 1600);
    let connection = |client: u8| Holder::of(Some([192, 0, 2, client].into()));
    let _scarce = budget.try_claim(Share::Answers, budget.share(Share::Answers) / 2).unwrap();
    let mut most = connection(1).pays_now(|| budget.nothing());
    most.correct(Share::Answers, budget.share(Share::Answers) / 4 - 250);
    let due = |client| connection(client).pays_now(|| holds(&budget, Share::Answers, 0, Duration::ZERO));
    let (theirs, first, second) = (due(2), due(1), due(1));
    tokio::task::yield_now().await;
    advance(Duration::from_secs(1)).await;
    connection(1).pays(budget.claim(Share::Answers, 100)).await.unwrap();
    first.await.unwrap();
    assert!(!second.is_finished() && !theirs.is_finished());
    // Where all is held, it is whoever has been due for longest.
    let rest = usize::try_from(left(&budget)[4]).unwrap();
    let _rest = budget.try_claim(Share::Answers, rest).unwrap();
    connection(3).pays(budget.claim(Share::Answers, 100)).await.unwrap();
    theirs.await.unwrap();
    assert!(!second.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_connection_holds_a_small_part_of_what_there_is_for_short_answers() {
    let budget = Budget::new(1 << 28);
    let whole = budget.share(Share::Brief);
    let (many, other) = (Arc::<Holder>::default(), Arc::<Holder>::default());
    let claim = |holder: &Arc<Holder>| {
        let mut claim = holder.pays_now(|| budget.claim_now(Share::Brief, 6 * BRIEF))?;
        claim.correct(Share::Brief, BRIEF);
        Ok::<_, Lack>(claim)
    };
    let held: Vec<_> = std::iter::from_fn(|| claim(&many).ok()).collect();
    assert!(many.held(Share::Brief) <= whole / 2, "it holds {} of {whole}", many.held(Share::Brief));
    assert_eq!(claim(&many).unwrap_err(), Lack::HoldsEnough);
    let theirs: Vec<_> = std::iter::from_fn(|| claim(&other).ok()).collect();
    assert_eq!(other.held(Share::Brief), whole / 16);
    drop((held, theirs));
    assert_eq!(left(&budget), left(&Budget::new(1 << 28)));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_cut_off_for_who_holds_much() {
    let budget = Budget::new(16 * 1600);
    let (much, little) = (Arc::<Holder>::default(), Arc::<Holder>::default());
    let part = budget.share(Share::Reads) / 16;
    let _much = much.pays_now(|| budget.try_claim(Share::Reads, part / 2)).unwrap();
    let _little = little.pays_now(|| budget.try_claim(Share::Reads, 10)).unwrap();
    let due = holds(&budget, Share::Reads, 0, Duration::ZERO);
    let rest = usize::try_from(left(&budget)[0]).unwrap();
    let _rest = budget.try_claim(Share::Reads, rest).unwrap();
    assert!(much.clone().pays(budget.claim(Share::Reads, 10)).await.is_err());
    assert!(!due.is_finished());
    assert!(little.clone().pays(budget.claim(Share::Reads, 10)).await.is_ok());
    due.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_leave_some_to_those_that_do_not() {
    let budget = Budget::new(16 * 1600);
    let reads = budget.share(Share::Reads);
    let waiting: Vec<_> = std::iter::from_fn(|| {
        let waits = budget.try_claim(Share::Waits, 10)?;
        Some((waits, budget.try_claim(Share::Reads, 10)))
    })
    .collect();
    assert!(waiting.iter().all(|(_, read)| read.is_some()));
    assert!(budget.try_claim(Share::Reads, reads / 4).is_some());
    let shares = Share::ALL.into_iter().filter(|share| *share != Share::Waits);
    assert_eq!(shares.map(|share| budget.share(share)).sum::<usize>(), budget.bytes());
}

#[test]
fn nothing_is_given_up_for_who_holds_enough() {
    let budget = Budget::new(16 * 1600);
    let (much, part) = (Arc::<Holder>::default(), budget.share(Share::Answers) / 16);
    let _much = much.pays_now(|| budget.try_claim(Share::Answers, part)).unwrap();
    let mut kept: Vec<_> = (0..3).map(|_| budget.try_claim(Share::Answers, 100).unwrap()).collect();
    let rest = usize::try_from(left(&budget)[4]).unwrap();
    let _rest = budget.try_claim(Share::Answers, rest).unwrap();
    let refused = much.pays_now(|| budget.claim_instead(Share::Answers, 10, || kept.pop().is_some()));
    assert_eq!((refused.unwrap_err(), kept.len()), (Lack::HoldsEnough, 3));
    let claim = budget.claim_instead(Share::Answers, 10, || kept.pop().is_some());
    assert_eq!((claim.is_ok(), kept.len()), (true, 2));
    let refused = budget.claim_instead(Share::Answers, 1000, || kept.pop().is_some());
    assert_eq!((refused.unwrap_err(), kept.len()), (Lack::NotThere, 0));
}
