//! PREPARE TRANSACTION under the branch's name (P6, P7, P9).

use handfast_client::CommitOutcome;
use handfast_private_postgres::Options;
use handfast_protocol::{PreparedName, ResourceName};
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;

use crate::scripted::{gtrid, outcome};
use crate::world::World;

/// Steps `one-log 2` and `3`.
#[tokio::test]
async fn two_phase_the_branch_is_prepared_under_its_name_with_its_witness() {
    let mut world = World::two_phase().await;
    let tx = world.order(gtrid(1)).await;
    let World { peer, postgres, .. } = &mut world;
    let name = PreparedName { id: gtrid(1), resource: ResourceName::new("ledger").unwrap() };
    let script = async {
        let commit = peer.expect_commit(gtrid(1), &["ledger"]).await;
        assert_eq!(postgres.psql("select gid from pg_prepared_xacts").unwrap(), name.to_string());
        assert_eq!(postgres.psql("select count(*) from orders").unwrap(), "0");
        postgres.psql(&format!("commit prepared '{name}'")).unwrap();
        peer.answer(commit, outcome(Kind::Committed, "")).await;
    };
    let (_, end) = tokio::join!(script, tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    // P7: the row witnesses the commit after the branch is gone.
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("1", "1|committed"));
    assert_eq!(world.backends(), "idle");
}

#[tokio::test]
async fn p6_two_phase_a_failed_block_is_never_prepared() {
    let mut world = World::two_phase().await;
    let mut tx = world.order(gtrid(1)).await;
    tx.postgres("ledger").await.unwrap().execute("select 1/0", &[]).await.unwrap_err();
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::RolledBack { .. }), "{end:?}");
    assert_eq!(blame.kind(), v1::blame::Kind::Message);
    assert_eq!(world.postgres.psql("select count(*) from pg_prepared_xacts").unwrap(), "0");
}

#[tokio::test]
async fn p9_two_phase_without_slots_rolls_back_and_blames_nobody() {
    let without = Options { max_prepared_transactions: 0, ..Options::default() };
    let mut world = World::new("postgres-two-phase", without).await;
    let tx = world.order(gtrid(1)).await;
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
    match end {
        CommitOutcome::RolledBack { why } => {
            assert!(why.to_string().contains("prepared transactions are disabled"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(blame.kind(), v1::blame::Kind::None);
    assert_eq!(world.rows(), "");
}
