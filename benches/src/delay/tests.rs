use super::*;

const DELAY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn pieces_come_later_and_do_not_wait_for_each_other() {
    let mut ways = JoinSet::new();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = crate::process::free_address().unwrap();
    ways.spawn(serve(listen, server.local_addr().unwrap(), DELAY));
    let mut near = loop {
        match TcpStream::connect(listen).await {
            Ok(near) => break near,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let (mut far, _) = server.accept().await.unwrap();

    let begun = Instant::now();
    for number in 0..10_u8 {
        near.write_all(&[number]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut received = [0; 10];
    far.read_exact(&mut received[..1]).await.unwrap();
    let first = begun.elapsed();
    far.read_exact(&mut received[1..]).await.unwrap();
    let last = begun.elapsed();
    assert_eq!(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(first >= DELAY, "{first:?}");
    assert!(last < DELAY * 5, "{last:?} for ten pieces: one waited for the other");
}
