//! Secrets of configuration under a new key: in the entries, in their history, and in the projections that kinds keep. Part of a
//! rotation (control X-22).

use base::{ResourceId, WorkspaceId};
use store::{Tx, params};
use vault::{Pass, Purpose};

use crate::prepare::{aad, place};
use crate::{Error, Json, Resources, rows};

/// Where bodies with sealed leaves stand: the statement that finds them, and the one that changes one.
struct Bodies {
    table: &'static str,
    find: &'static str,
    change: &'static str,
}

/// Versions keep the leaves that they had: an old one is brought back with its secret.
const BODIES: [Bodies; 2] = [
    Bodies {
        table: "resources",
        find: "SELECT id AS resource, version, workspace, body FROM resources WHERE body LIKE $1 ORDER BY id",
        change: "UPDATE resources SET body = $3 WHERE id = $1 AND version = $2",
    },
    Bodies {
        table: "resource_versions",
        find: "SELECT v.resource, v.version, r.workspace, v.body FROM resource_versions v JOIN resources r ON r.id = v.resource \
               WHERE v.body LIKE $1 ORDER BY v.resource, v.version",
        change: "UPDATE resource_versions SET body = $3 WHERE resource = $1 AND version = $2",
    },
];

/// A body that may hold leaves of the pass.
struct Found {
    resource: ResourceId,
    version: i64,
    workspace: Option<WorkspaceId>,
    body: Json,
}

impl Resources {
    /// Seals anew what the pass is about, as far as its limit goes. Takes the writer's lock first, so that nobody seals
    /// configuration until this transaction ends.
    pub fn reseal(&self, tx: &mut Tx<'_>, pass: &mut Pass) -> Result<(), Error> {
        rows::lock(tx)?;
        for bodies in &BODIES {
            self.reseal_bodies(tx, pass, bodies)?;
        }
        for kind in self.registry.kinds() {
            for column in kind.sealed_columns() {
                self.vault.reseal_column(tx, pass, column)?;
            }
        }
        Ok(())
    }

    fn reseal_bodies(&self, tx: &mut Tx<'_>, pass: &mut Pass, bodies: &Bodies) -> Result<(), Error> {
        let prefixes: Vec<String> = pass.prefixes().collect();
        for prefix in &prefixes {
            if pass.left() == 0 {
                return Ok(());
            }
            let found = tx.query(bodies.find, &params![format!("%\"{prefix}%")], |row| {
                let workspace: String = row.get("workspace")?;
                Ok(Found {
                    resource: row.get("resource")?,
                    version: row.get("version")?,
                    workspace: workspace.parse().ok(),
                    // What is no JSON holds no leaf of ours.
                    body: serde_json::from_str(&row.get::<String>("body")?).unwrap_or_default(),
                })
            })?;
            for one in found {
                if pass.left() == 0 {
                    return Ok(());
                }
                self.reseal_body(tx, pass, bodies, prefix, one)?;
            }
        }
        Ok(())
    }

    fn reseal_body(
        &self,
        tx: &mut Tx<'_>,
        pass: &mut Pass,
        bodies: &Bodies,
        prefix: &str,
        mut one: Found,
    ) -> Result<(), Error> {
        let mut paths = Vec::new();
        leaves(&one.body, "", prefix, &mut paths);
        let mut changed = false;
        for path in paths {
            let Some(old) = crate::shape::at(&one.body, &path).and_then(|leaf| leaf["sealed"].as_str()) else {
                continue;
            };
            let row = place(one.resource, &path);
            match self.vault.reseal(tx, one.workspace, Purpose::Configuration, &aad(&row), old)? {
                Some(new) => {
                    crate::shape::set(&mut one.body, &path, serde_json::json!({ "sealed": new }));
                    pass.sealed();
                    changed = true;
                }
                None => pass.stuck(bodies.table, &row),
            }
        }
        if changed {
            tx.execute(bodies.change, &params![one.resource, one.version, one.body.to_string()])?;
        }
        Ok(())
    }
}

/// The dotted paths of the leaves that begin with `prefix`.
fn leaves(body: &Json, path: &str, prefix: &str, out: &mut Vec<String>) {
    let Json::Object(map) = body else { return };
    if map.get("sealed").and_then(Json::as_str).is_some_and(|sealed| sealed.starts_with(prefix)) {
        out.push(path.to_owned());
        return;
    }
    for (name, inner) in map {
        let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        leaves(inner, &here, prefix, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_found_by_their_key_and_texts_that_look_like_them_are_not() {
        let body = serde_json::json!({
            "password": { "sealed": "v1.12.a.b" },
            "tls": { "key": { "sealed": "v1.12.c.d" }, "old": { "sealed": "v1.121.e.f" } },
            "note": "say \"v1.12.x\"",
            "list": [{ "sealed": "v1.12.g.h" }],
        });
        let mut found = Vec::new();
        leaves(&body, "", "v1.12.", &mut found);
        assert_eq!(found, ["password", "tls.key"], "a secret never stands in a list");
    }
}
