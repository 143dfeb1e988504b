//! What `resource test` and `resource add` say about a PostgreSQL database, word by word.

use handfast_coordinator::drivers::{Finding, InstallError, Target};
use handfast_coordinator_core::Resource;
use handfast_private_postgres::{Options, PostgresServer};
use handfast_protocol::ResourceKind;

use crate::world::{ATTACH, IDENTITY, add, drivers, ledger, postgres};

const MARKER: ResourceKind = ResourceKind::PostgresMarker;
const TWO_PHASE: ResourceKind = ResourceKind::PostgresTwoPhase;

async fn candidate(kind: ResourceKind, address: &str) -> Vec<Finding> {
    drivers().test(Target::Candidate { name: &ledger(), kind, address }).await
}

fn words(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {finding}", if finding.ok { "ok" } else { "NOT OK" })).collect()
}

fn bad(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter(|finding| !finding.ok).map(ToString::to_string).collect()
}

/// Without the first line, which names port and version.
fn connected(findings: &[Finding]) -> &[Finding] {
    assert!(findings[0].ok && findings[0].what.starts_with("connected to 127.0.0.1:"), "{findings:?}");
    &findings[1..]
}

#[tokio::test]
async fn a_sound_database_before_and_after_it_is_added() {
    let server = postgres(&[]);
    let settings = [
        "ok it is a primary",
        "ok it accepts writes",
        "ok fsync is on",
        "ok full_page_writes is on",
        "ok synchronous_commit is on",
        "ok max_prepared_transactions is 64",
    ];
    let before = candidate(TWO_PHASE, &server.url()).await;
    let may_create = ["ok the marker tables can be made in schema public"];
    assert_eq!(words(connected(&before)), [&settings[..], &may_create].concat());

    let resource = add(&drivers(), TWO_PHASE, &server.url()).await;
    let tables = [
        "ok table handfast_outcome is there",
        "ok table handfast_resource is there",
        "ok table handfast_coordinator is there",
    ];
    let same = ["ok it is the database that was added"];
    let after = drivers().test(Target::Registered(&resource)).await;
    assert_eq!(words(connected(&after)), [&settings[..], &tables, &same].concat());
    let again = candidate(MARKER, &server.url()).await;
    assert_eq!(words(connected(&again)), [&settings[..5], &tables].concat());
}

#[tokio::test]
async fn settings_that_lose_data_or_prevent_two_phase_are_named_with_the_remedy() {
    let extra = [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")];
    let extra = extra.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let server = PostgresServer::start(Options { max_prepared_transactions: 0, extra }).unwrap();
    let findings = candidate(TWO_PHASE, &server.url()).await;
    let expected = [
        "fsync is off: a power loss destroys what was answered committed; run ALTER SYSTEM SET fsync = on; then SELECT \
         pg_reload_conf()",
        "full_page_writes is off: a power loss may leave half-written pages; run ALTER SYSTEM SET full_page_writes = on; \
         then SELECT pg_reload_conf()",
        "max_prepared_transactions is 0: PostgreSQL refuses PREPARE TRANSACTION; run ALTER SYSTEM SET \
         max_prepared_transactions = 64, restart PostgreSQL, or add the resource without --two-phase",
    ];
    assert_eq!(bad(&findings), expected);
    let noted = "ok synchronous_commit is off by default; Handfast sets it for the commits that decide";
    assert!(words(&findings).contains(&noted.to_owned()), "{findings:?}");
    assert_eq!(bad(&candidate(MARKER, &server.url()).await), expected[..2], "a marker needs no slots");

    let error = drivers().install(TWO_PHASE, ledger(), &server.url(), IDENTITY).await.unwrap_err();
    assert_eq!(error.to_string(), format!("resource ledger cannot be added: {}", expected.join("; and ")));
    assert!(matches!(error, InstallError::Unfit { .. }));
    assert_eq!(server.psql("SELECT to_regclass('handfast_outcome') IS NULL").unwrap(), "t", "nothing was made");
}

#[tokio::test]
async fn a_user_without_rights_is_told_which_to_grant() {
    let server = postgres(&[]);
    server.psql("CREATE ROLE app LOGIN").unwrap();
    let address = server.url().replace("handfast@", "app@");
    let may_not = "user app may not make the marker tables in schema public; run GRANT CREATE ON SCHEMA public TO app, or give \
                   the user a schema of its own in its search_path";
    assert_eq!(bad(&candidate(MARKER, &address).await), [may_not]);

    let resource = add(&drivers(), MARKER, &server.url()).await;
    let resource = Resource { address: address.clone(), ..resource };
    let rights = [
        "user app may not SELECT, INSERT, UPDATE, DELETE table public.handfast_outcome; run GRANT SELECT, INSERT, UPDATE, \
         DELETE ON public.handfast_outcome TO app",
        "user app may not SELECT table public.handfast_resource; run GRANT SELECT ON public.handfast_resource TO app",
        "user app may not SELECT, INSERT, UPDATE table public.handfast_coordinator; run GRANT SELECT, INSERT, UPDATE ON \
         public.handfast_coordinator TO app",
    ];
    assert_eq!(bad(&drivers().test(Target::Registered(&resource)).await), rights);
    for finding in rights {
        server.psql(finding.split_once("; run ").unwrap().1).unwrap();
    }
    assert_eq!(bad(&drivers().test(Target::Registered(&resource)).await), Vec::<String>::new());
    assert!(drivers().call(&resource, ATTACH).await.is_ok(), "the rights that were named suffice");

    server.psql("ALTER ROLE app SET search_path = nowhere").unwrap();
    let no_schema =
        "the search path names no schema that exists; set one for this user: ALTER ROLE ... SET search_path = ...";
    assert!(bad(&candidate(MARKER, &address).await)[0].starts_with(no_schema));
}

#[tokio::test]
async fn what_was_added_and_is_gone_or_another_is_told() {
    let mut server = postgres(&[]);
    let resource = add(&drivers(), MARKER, &server.url()).await;
    server.psql("UPDATE handfast_resource SET resource_id = '00000000-0000-0000-0000-000000000000'").unwrap();
    let other = "it is another database than was added, or a fresh copy of it: its branches stay in doubt; give the \
                 resource's own database back its address, or resolve what is in doubt, remove the resource and add it again";
    assert_eq!(bad(&drivers().test(Target::Registered(&resource)).await), [other]);
    server.psql("DROP TABLE handfast_outcome").unwrap();
    let missing = "table public.handfast_outcome is missing; restore it, or remove the resource and add it again: handfast \
                   resource add ledger";
    assert_eq!(bad(&drivers().test(Target::Registered(&resource)).await), [missing]);

    server.psql("ALTER DATABASE postgres SET default_transaction_read_only = on").unwrap();
    let read_only = "transactions of this user are read-only; set default_transaction_read_only = off for this user and \
                     database";
    assert_eq!(bad(&drivers().test(Target::Registered(&resource)).await), [read_only, missing]);

    let address = server.url().trim_end_matches("postgres").to_owned() + "nowhere";
    let no_database = bad(&candidate(MARKER, &address).await);
    assert!(
        no_database[0].starts_with("cannot connect: database \"nowhere\" does not exist (SQLSTATE 3D000)"),
        "{no_database:?}"
    );
    server.stop();
    let down = bad(&drivers().test(Target::Registered(&resource)).await);
    assert!(down[0].starts_with("cannot connect: error connecting to server: Connection refused"), "{down:?}");
}

#[tokio::test]
async fn a_table_of_the_name_that_is_not_ours_is_left_alone() {
    let server = postgres(&[]);
    server.psql("CREATE TABLE handfast_outcome (id int)").unwrap();
    let error = drivers().install(MARKER, ledger(), &server.url(), IDENTITY).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "resource ledger cannot be added: table handfast_outcome is there already and is not one of Handfast's; rename it, \
         or give the user another schema"
    );
    let made = "SELECT to_regclass('handfast_resource') IS NULL";
    assert_eq!(server.psql(made).unwrap(), "t", "all or nothing");
}
