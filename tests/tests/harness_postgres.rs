//! The harness' PostgreSQL: a real server that answers, goes away, comes back with its data and leaves nothing.

use anyhow::Result;
use sqlx::{Connection as _, Executor as _, PgConnection};
use steward_tests::{postgres::Postgres, skip};

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_its_data_over_a_restart_and_leaves_nothing() -> Result<()> {
    let mut server = match Postgres::start_with(&["max_connections = 7"]).await? {
        Ok(server) => server,
        Err(reason) => skip!("{reason}"),
    };
    let url = server.database().await?;
    let mut connection = PgConnection::connect(&url).await?;
    connection
        .execute("CREATE TABLE t (n int); INSERT INTO t VALUES (42)")
        .await?;
    let (limit,): (String,) = sqlx::query_as("SHOW max_connections")
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(limit, "7");

    server.stop().await?;
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().await?;
    let mut connection = PgConnection::connect(&url).await?;
    let (n,): (i32,) = sqlx::query_as("SELECT n FROM t")
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(n, 42);
    drop(server);
    assert!(PgConnection::connect(&url).await.is_err());
    Ok(())
}
