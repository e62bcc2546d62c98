//! The page about carriers says what is so: its files apply, its command prints the pin, its tables are those of the code.

use std::process::Command;

use messaging::Remedy;
use smpp::Status;
use store::Db;

use crate::configured::House;
use crate::stage::Stage;

const PAGE: &str = include_str!("../../../../docs/carriers.md");

/// The blocks of `language`, without the indentation that a list gives them.
fn blocks(language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in PAGE.lines() {
        let indent = line.len() - line.trim_start().len();
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(tag)) => open = Some((indent, if tag == language { String::new() } else { "\u{0}".into() })),
            (Some(_), Some(_)) => {
                let (_, text) = open.take().unwrap();
                if !text.starts_with('\u{0}') {
                    found.push(text);
                }
            }
            (Some((indent, text)), None) => {
                text.push_str(line.get(*indent..).unwrap_or_default());
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &messaging::MIGRATIONS, &carriers::MIGRATIONS];

    /// Each file of the page applies as it stands, one after the other.
    async fn every_file_of_the_page_applies(db: Db) {
        let house = House::new(db).await;
        let files = blocks("yaml");
        assert_eq!(files.len(), 7);
        // A list is the whole list, and a carrier that a route names cannot go: the first file comes just before the second.
        let (alone, with_routes): (Vec<_>, Vec<_>) = files[1..].iter().partition(|file| !file.contains("routes:"));
        for file in alone.into_iter().chain([&files[0]]).chain(with_routes) {
            house.apply(file).await.unwrap_or_else(|error| panic!("{error:?}\n{file}"));
        }
        house.end().await;
    }
}

/// What the command prints is the pin that the carrier's page shows and that settings take.
#[tokio::test]
async fn the_command_prints_the_pin() {
    let stage = Stage::new(simulator::Behaviour::default()).await;
    let (carrier, _inbox) = Stage::bound(stage.settings()).await;
    let pin = carrier.status().each[0].peer.clone().unwrap().pin;
    let commands = blocks("sh");
    let command = commands[0]
        .replace("smpp.example.com:2776", &stage.address.to_string())
        .replace("smpp.example.com", "localhost");
    let output =
        tokio::task::spawn_blocking(move || Command::new("sh").arg("-c").arg(command).output().unwrap()).await.unwrap();
    assert_eq!(format!("sha256/{}", String::from_utf8_lossy(&output.stdout).trim()), pin);
    carrier.stop().await;
}

/// The table of statuses is the code's, row by row, and has every status that leads elsewhere.
#[test]
fn the_table_of_statuses_is_the_codes() {
    let rows: Vec<(u32, String, String)> = PAGE
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("| 0x")?.split('|').map(str::trim).collect();
            Some((u32::from_str_radix(cells[0], 16).ok()?, cells[1].trim_matches('`').to_owned(), cells[2].to_owned()))
        })
        .collect();
    let leads = |status: Status| match (status.is_throttling(), carriers::remedy(status)) {
        (true, _) => "slower",
        (false, Remedy::Elsewhere) => "elsewhere",
        (false, Remedy::Later) => "later",
        (false, Remedy::Nothing) => "nowhere",
    };
    for (code, name, says) in &rows {
        let status = Status(*code);
        assert_eq!(leads(status), says, "{name}");
        if name.starts_with("ESME_") {
            assert_eq!(status.to_string().split(' ').next(), Some(name.as_str()));
        }
    }
    for code in 0..0x400 {
        let status = Status(code);
        let told = rows.iter().any(|(known, ..)| *known == code);
        assert!(told || leads(status) == "later", "{status} is missing in the table");
    }
}

/// Every field that a carrier has is told on the page.
#[test]
fn every_field_is_told() {
    use resources::TypedKind as _;
    for field in carriers::CarriersKind::FIELDS {
        assert!(
            PAGE.contains(&format!("`{}`", field.name)) || PAGE.contains(&format!("{}:", field.name)),
            "{}",
            field.name
        );
    }
}
