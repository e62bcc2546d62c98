//! Readiness over the real store.

use super::house::House;

#[tokio::test]
async fn ready_means_that_the_database_answers() {
    let house = House::new().await;
    let probe = async |path: &str| {
        house.get(path).header("host", "10.0.0.1").send().await.map(|answer| answer.status().as_u16())
    };
    assert_eq!(probe("/readyz").await.unwrap(), 200);
    house.db.close().await;
    // What was found out holds for a moment.
    for _ in 0..100 {
        if probe("/readyz").await.unwrap() == 503 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(probe("/readyz").await.unwrap(), 503);
    assert_eq!(probe("/healthz").await.unwrap(), 200, "alive all the same: restarting it would not help");
}
