//! Where passwords come from, and where they never go.

use std::fs;
use std::io::Write;
use std::process::Command;

use handfast_coordinator::drivers::{Drivers, Secrets, Target};
use handfast_coordinator_core::Resource;
use handfast_private_postgres::PostgresServer;
use handfast_protocol::{ResourceKind, ResourceName};
use tempfile::TempDir;

use crate::world::{ATTACH, IDENTITY, ledger, postgres, secrets};

const PASSWORD: &str = "s3cret:\\ word";
const IN_PASSWORD_FILE: &str = "127.0.0.1:*:shop:app:s3cret\\:\\\\ word\n";

/// A server with a user `app` whose password is asked for.
fn server_that_asks() -> (PostgresServer, String) {
    let server = postgres(&[]);
    server.psql(&format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")).unwrap();
    server.psql("CREATE DATABASE shop OWNER app").unwrap();
    let file = server.psql("SHOW hba_file").unwrap();
    let rules = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("host all app 127.0.0.1/32 scram-sha-256\n{rules}")).unwrap();
    server.psql("SELECT pg_reload_conf()").unwrap();
    let address = server.url().replace("handfast@", "app@").trim_end_matches("postgres").to_owned() + "shop";
    (server, address)
}

fn password_file(dir: &TempDir, name: &str, mode: u32) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let path = dir.path().join(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).unwrap();
    file.write_all(format!("# the shop\nother:*:*:*:wrong\n{IN_PASSWORD_FILE}").as_bytes()).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn outcome(address: &str, secrets: Secrets) -> Result<Resource, String> {
    let drivers = Drivers::new(secrets);
    let added = drivers.install(ResourceKind::PostgresMarker, ledger(), address, IDENTITY).await;
    let shown = format!("{added:?} {drivers:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let resource = added.map_err(|error| error.to_string())?.resource;
    drivers.call(&resource, ATTACH).await.map_err(|error| error.to_string())?;
    Ok(resource)
}

#[tokio::test]
async fn the_resources_own_variable_comes_first_then_the_common_one_then_the_file() {
    let (_server, address) = server_that_asks();
    let dir = TempDir::new().unwrap();
    let home = dir.path().to_str().unwrap();
    let file = password_file(&dir, "passwords", 0o600);
    password_file(&dir, ".pgpass", 0o600);
    let mut addresses = Vec::new();
    for variables in [
        vec![("HANDFAST_PASSWORD_LEDGER", PASSWORD), ("PGPASSWORD", "wrong"), ("PGPASSFILE", "/nowhere")],
        vec![("HANDFAST_PASSWORD_OTHER", "wrong"), ("PGPASSWORD", PASSWORD)],
        vec![("PGPASSFILE", file.as_str()), ("HOME", "/nowhere")],
        vec![("HOME", home)],
        vec![("PGPASSFILE", ""), ("HOME", home)],
    ] {
        addresses.push(outcome(&address, secrets(&variables)).await.unwrap().address);
    }
    assert_eq!(addresses, [(); 5].map(|()| address.clone()), "the address stays as it was given");
}

#[tokio::test]
async fn a_login_that_fails_says_what_to_set_and_never_what_was_tried() {
    let (_server, address) = server_that_asks();
    let dir = TempDir::new().unwrap();
    let open_to_all = password_file(&dir, "open", 0o644);
    let remedy =
        ": set HANDFAST_PASSWORD_LEDGER or PGPASSWORD to the password of user app, or add a line to the password file";
    for (variables, more) in [
        (vec![("PGPASSWORD", "s3cret")], String::new()),
        (vec![], String::new()),
        (
            vec![("PGPASSFILE", open_to_all.as_str())],
            format!(" (password file {open_to_all} was ignored: others may read it"),
        ),
    ] {
        let text = outcome(&address, secrets(&variables)).await.unwrap_err();
        assert!(text.contains(remedy) && text.contains(&more), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn an_address_with_a_password_is_refused_unread() {
    let drivers = Drivers::new(secrets(&[]));
    let address = "postgres://app:s3cret@127.0.0.1:1/shop";
    let error = drivers.install(ResourceKind::PostgresMarker, ledger(), address, IDENTITY).await.unwrap_err();
    let findings =
        drivers.test(Target::Candidate { name: &ledger(), kind: ResourceKind::PostgresMarker, address }).await;
    let shown = format!("{error} {error:?} {findings:?}");
    assert!(shown.contains("the address holds a password") && shown.contains("HANDFAST_PASSWORD_<NAME>"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn an_encrypted_connection_that_the_environment_asks_for_is_refused() {
    let server = postgres(&[]);
    let drivers = Drivers::new(secrets(&[("PGSSLMODE", "verify-full")]));
    let error = drivers.install(ResourceKind::PostgresMarker, ledger(), &server.url(), IDENTITY).await.unwrap_err();
    assert!(error.to_string().contains("sslmode=verify-full asks for an encrypted connection"), "{error}");
}

#[test]
fn the_variable_of_a_resource_is_its_name_in_capitals() {
    let variable = |name: &str| Secrets::variable_of(&ResourceName::new(name).unwrap());
    assert_eq!(variable("ledger"), "HANDFAST_PASSWORD_LEDGER");
    assert_eq!(variable("east-ledger_2"), "HANDFAST_PASSWORD_EAST_LEDGER_2");
}

#[test]
fn the_environment_of_the_process_is_read_and_only_what_concerns_us() {
    let own = std::env::current_exe().unwrap();
    let status = Command::new(own)
        .args(["--exact", "passwords::shows_its_environment", "--ignored"])
        .env_clear()
        .envs([("HANDFAST_PASSWORD_LEDGER", "s3cret"), ("PGPASSWORD", "s3cret"), ("ORDERS", "s3cret")])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "run by the_environment_of_the_process_is_read_and_only_what_concerns_us, in a process of its own"]
fn shows_its_environment() {
    assert_eq!(format!("{:?}", Secrets::from_environment()), r#"{"HANDFAST_PASSWORD_LEDGER", "PGPASSWORD"}"#);
}
