use super::*;

#[tokio::test]
async fn what_was_asked_is_counted() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let control = world.dev.control();
    assert_eq!(control.asked(), DevAsked::default());
    let id = world.put_item(&[], b"hello").await;
    world.post("/id", item(&[], b"hello")).await;
    world.get("/info").await;
    world.get(&format!("/tx/{id}/status")).await;
    world.query("{ transactions { edges { cursor } } }", json!({})).await;
    for path in [format!("/{id}"), format!("/raw/{id}"), "/nothing".to_owned()] {
        world.call(Method::GET, &path).send().await.unwrap();
    }
    for path in [format!("/{id}"), "/nothing".to_owned()] {
        world.call(Method::HEAD, &path).send().await.unwrap();
    }
    let expected = DevAsked {
        heights: 1,
        uploads: 1,
        refused: 0,
        copies: 1,
        queries: 1,
        data: 3,
        heads: 2,
        statuses: 1,
    };
    assert_eq!(control.asked(), expected);
    assert_eq!(control.items(), [id.parse().unwrap()]);
}

#[tokio::test]
async fn uploads_are_refused_as_often_as_was_decided() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let control = world.dev.control();
    control.refuse_uploads(2);
    let bytes = item(&[], b"hello");
    for (path, expected) in [("/tx", 503), ("/id", 200), ("/tx/arweave", 503), ("/tx", 200)] {
        let (status, answer) = world.post(path, bytes.clone()).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
    control.refuse_uploads(5);
    control.refuse_uploads(0);
    assert_eq!(world.post("/tx", bytes).await.0, 200);
    assert_eq!((control.asked().uploads, control.asked().refused), (4, 2));
}

#[tokio::test]
async fn an_item_is_as_deep_in_the_chain_as_was_decided() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let (id, other) = (world.put_item(&[], b"1").await, world.put_item(&[], b"2").await);
    assert!(world.dev.control().confirm(id.parse().unwrap(), 20));
    let height = world.get("/info").await["height"].as_u64().unwrap();
    for (id, confirmations) in [(&id, 20), (&other, 1)] {
        let status = world.get(&format!("/tx/{id}/status")).await;
        assert_eq!(status["number_of_confirmations"], confirmations, "{status}");
        assert_eq!(status["block_height"], height + 1 - confirmations, "{status}");
        let query =
            format!("{{ transactions(ids: [{id:?}]) {{ edges {{ node {{ block {{ height }} }} }} }} }}");
        let answer = world.query(&query, json!({})).await;
        assert_eq!(edges(&answer)[0]["node"]["block"]["height"], height + 1 - confirmations);
    }
    assert!(!world.dev.control().confirm(ans104::Id::from_bytes([7; 32]), 20));
}
