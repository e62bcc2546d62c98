//! The decision for one message, with its record: among one route, and among a hundred.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use routing::{CarrierFacts, Class, Matcher, Query, Route, Sender, decide};
use uuid::Uuid;

fn route(number: u128, prefix: &str) -> Route {
    Route {
        id: Uuid::from_u128(number).into(),
        workspace: None,
        name: String::new(),
        matcher: Matcher { prefix: (!prefix.is_empty()).then(|| prefix.to_owned()), ..Matcher::default() },
        priority: 0,
        weight: None,
        carriers: vec!["north-1".to_owned(), "south-1".to_owned()],
        sender: Some(Sender::Name("Loudhailer".to_owned())),
        cost: None,
        open_to_development: false,
    }
}

fn decisions(criterion: &mut Criterion) {
    let facts = |name: &str| {
        let down = name.starts_with("north").then(|| "connection refused".to_owned());
        Some(CarrierFacts { simulated: false, down, senders: None })
    };
    let query = Query::first(Uuid::from_u128(1).into(), false, "447700900117", Class::Alert, None);
    let one = vec![route(1, "")];
    let hundred: Vec<Route> = (1..=99).map(|code| route(code, &code.to_string())).chain([route(100, "")]).collect();
    let countries = ["DE", "FR", "US", "CA", "GB", "IN", "SG", "ZA", "BR", "AU"];
    let by_country: Vec<Route> = (0..100)
        .map(|number| {
            let matcher = Matcher { country: Some(countries[number % 10].to_owned()), ..Matcher::default() };
            let class = Some(if number < 90 { Class::Otp } else { Class::Alert });
            Route { matcher: Matcher { class, ..matcher }, ..route(number as u128, "") }
        })
        .collect();
    for (name, routes) in [("one route", one), ("a hundred routes", hundred), ("a hundred by country", by_country)] {
        criterion.bench_function(name, |bench| bench.iter(|| decide(black_box(&query), &routes, facts).unwrap()));
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
