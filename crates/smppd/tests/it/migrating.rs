//! Accounts of before, under the tables of now.

use store::{Db, Migrations, params};

async fn migrated(options: store::Options) {
    let db = Db::open(options, crate::house::context()).await.unwrap();
    let before = Migrations { steps: &smppd::MIGRATIONS.steps[..2], ..smppd::MIGRATIONS };
    db.migrate(&[before]).await.unwrap();
    db.write(|tx| {
        for (id, told) in [("told", true), ("not told", false)] {
            tx.execute(
                "INSERT INTO smpp_accounts (id, workspace, system_id, allow, allow_plaintext, max_binds, send_window, message_ids, \
                 class, senders, inbound, version, vendor_tlvs) VALUES ($1, 'w', $1, '', FALSE, 4, 20, 'uuid', 'otp', '', '', 1, $2)",
                &params![id, told],
            )?;
        }
        Ok::<_, store::Error>(())
    })
    .await
    .unwrap();
    db.migrate(&[smppd::MIGRATIONS]).await.unwrap();
    let told = db
        .read(|tx| {
            let sql = "SELECT tells_vendor_tlvs FROM smpp_accounts ORDER BY id";
            tx.query(sql, &[], |row| row.get::<Option<bool>>(0_usize))
        })
        .await
        .unwrap();
    assert_eq!(told, [None, Some(true)], "a yes was kept; a no was also what nobody had said");
    db.close().await;
}

mod sqlite {
    #[tokio::test]
    async fn accounts_keep_whether_they_are_told_8x8s_parameters() {
        let database = testdb::sqlite_url();
        super::migrated(store::Options::new(database.url().clone())).await;
    }
}

mod postgres {
    #[tokio::test]
    async fn accounts_keep_whether_they_are_told_8x8s_parameters() {
        let database = testdb::postgres_url().await;
        super::migrated(store::Options::new(database.url().clone())).await;
    }
}
