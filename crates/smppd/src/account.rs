//! Accounts of applications: what one may do, and the rows they stand in.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use access::{Actor, AuthMethod, Grants, Permit, Principal, cap};
use base::{SmppAccountId, Timestamp, WorkspaceId};
use identity::Cidr;
use routing::{Class, Sender};
use serde::{Deserialize, Serialize};
use smpp::Text;
use store::{Row, Tx, params};

use crate::{Error, LongInbound};

/// How the ids of messages are written for an application. Chosen for what it can read; all name the same message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageIds {
    /// As REST writes them: 36 characters.
    #[default]
    Uuid,
    /// A decimal number.
    Decimal,
    /// Eight hexadecimal digits.
    Hex8,
}

impl MessageIds {
    /// The name in files and rows.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Decimal => "decimal",
            Self::Hex8 => "hex8",
        }
    }

    fn parse(text: &str) -> Self {
        [Self::Decimal, Self::Hex8].into_iter().find(|ids| ids.name() == text).unwrap_or_default()
    }

    /// The id of a message with this id and number.
    pub(crate) fn write(self, id: base::MessageId, number: i64) -> Text {
        match self {
            Self::Uuid => Text::from(id.to_string()),
            Self::Decimal => Text::from(number.to_string()),
            Self::Hex8 => Text::from(format!("{number:08X}")),
        }
    }

    /// Which message an application means.
    pub(crate) fn read(self, text: &Text) -> Option<Named> {
        let text = text.to_str();
        match self {
            Self::Uuid => text.parse().ok().map(Named::Id),
            Self::Decimal => text.parse().ok().filter(|number| *number > 0).map(Named::Number),
            Self::Hex8 => i64::from_str_radix(&text, 16).ok().filter(|number| *number > 0).map(Named::Number),
        }
    }
}

/// A message, by one of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Id(base::MessageId),
    Number(i64),
}

/// An account as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: SmppAccountId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) system_id: String,
    pub(crate) allow: Vec<Cidr>,
    pub(crate) allow_plaintext: bool,
    pub(crate) max_binds: usize,
    pub(crate) window: usize,
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) message_ids: MessageIds,
    pub(crate) class: Class,
    pub(crate) senders: Vec<Sender>,
    pub(crate) long_inbound: LongInbound,
    /// Whether it is told 8x8's own parameters.
    pub(crate) vendor_tlvs: bool,
    /// Messages that may wait for a carrier.
    pub(crate) max_waiting: usize,
    pub(crate) version: i64,
}

const COLUMNS: &str = "id, workspace, system_id, allow, allow_plaintext, max_binds, send_window, rate, message_ids, class, senders, \
     long_inbound, vendor_tlvs, max_waiting, version";

/// A network that nobody is in stands for one that cannot be read: refuse rather than let everybody in.
fn network(text: &str) -> Cidr {
    text.parse().unwrap_or(Cidr::NOBODY)
}

fn read(row: &Row<'_>) -> Result<Account, store::Error> {
    let (allow, senders): (String, String) = (row.get("allow")?, row.get("senders")?);
    let class: String = row.get("class")?;
    let count = |column: &str| -> Result<usize, store::Error> {
        Ok(usize::try_from(row.get::<i64>(column)?).unwrap_or(1).max(1))
    };
    Ok(Account {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        system_id: row.get("system_id")?,
        allow: allow.split_whitespace().map(network).collect(),
        allow_plaintext: row.get("allow_plaintext")?,
        max_binds: count("max_binds")?,
        window: count("send_window")?,
        rate: row.get::<Option<i64>>("rate")?.and_then(|rate| NonZeroU32::new(u32::try_from(rate).unwrap_or(u32::MAX))),
        message_ids: MessageIds::parse(&row.get::<String>("message_ids")?),
        class: class.parse().unwrap_or(Class::Transactional),
        senders: serde_json::from_str(&senders).unwrap_or_default(),
        long_inbound: LongInbound::parse(&row.get::<String>("long_inbound")?),
        vendor_tlvs: row.get("vendor_tlvs")?,
        max_waiting: count("max_waiting")?,
        version: row.get("version")?,
    })
}

impl Account {
    /// Whether it may bind from there.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(address))
    }

    /// As whom its certificates know it.
    pub(crate) const fn holder(&self) -> identity::CertificateOwner {
        identity::CertificateOwner { kind: "smpp_accounts", id: self.id.uuid() }
    }

    /// Whether it may send from this address. An empty list allows any.
    pub(crate) fn may_send_from(&self, sender: &Sender) -> bool {
        self.senders.is_empty() || self.senders.contains(sender)
    }

    /// What it may do, bound from `source`.
    pub(crate) fn rights(self: &Arc<Self>, source: std::net::SocketAddr) -> Option<Rights> {
        let principal = Principal::SmppAccount { id: self.id, name: self.system_id.clone() };
        let mut actor = Actor::new(principal, AuthMethod::Smpp);
        actor.source = Some(source);
        let grants = Grants::of_smpp_account(actor.clone(), self.workspace);
        Some(Rights {
            actor,
            send: grants.permit(self.workspace).ok()?,
            read: grants.permit(self.workspace).ok()?,
            content: grants.permit(self.workspace).ok()?,
        })
    }
}

/// The rights of a bound account.
pub(crate) struct Rights {
    pub(crate) actor: Actor,
    pub(crate) send: Permit<cap::MessagesSend>,
    pub(crate) read: Permit<cap::MessagesRead>,
    pub(crate) content: Permit<cap::MessageContentRead>,
}

/// The account of this `system_id` if one of its passwords has this hash. One answer for unknown and wrong.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    system_id: &str,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Account>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM smpp_accounts WHERE system_id = $1 AND removed_at IS NULL AND EXISTS (SELECT 1 FROM smpp_passwords p
         WHERE p.account = smpp_accounts.id AND p.hash = $2 AND (p.retires_at IS NULL OR p.retires_at > $3))"
    );
    Ok(tx.query_opt(&sql, &params![system_id, hash.to_vec(), now], read)?)
}

/// An account as lists show it: everything but its passwords.
#[derive(Clone, Debug)]
pub struct AccountInfo {
    /// Its id.
    pub id: SmppAccountId,
    /// The name it binds with.
    pub system_id: String,
    /// The networks it may bind from.
    pub allow: Vec<String>,
    /// Whether it may bind without TLS.
    pub allow_plaintext: bool,
    /// Binds at once, on each node.
    pub max_binds: usize,
    /// Unanswered requests on each bind.
    pub window: usize,
    /// Submits a second over all its binds on a node.
    pub rate: Option<u32>,
    /// Messages that may wait for a carrier.
    pub max_waiting: usize,
    /// How ids are written for it.
    pub message_ids: MessageIds,
    /// How urgent its messages are.
    pub class: Class,
    /// Source addresses it may use; any when empty.
    pub senders: Vec<String>,
    /// Addresses of ours whose texts it gets.
    pub inbound: Vec<String>,
    /// How it gets long ones.
    pub long_inbound: LongInbound,
    /// Whether it is told 8x8's own parameters, 0x1502 to 0x1504.
    pub vendor_tlvs: bool,
    /// When it last bound.
    pub last_bound_at: Option<Timestamp>,
    /// Until when the password before works.
    pub retires_at: Option<Timestamp>,
}

/// The accounts of a workspace, by name.
pub(crate) fn list(tx: &mut Tx<'_>, workspace: WorkspaceId, now: Timestamp) -> Result<Vec<AccountInfo>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}, inbound, last_bound_at, (SELECT MAX(retires_at) FROM smpp_passwords p WHERE p.account = smpp_accounts.id
         AND p.retires_at > $2) AS retires_at FROM smpp_accounts WHERE workspace = $1 AND removed_at IS NULL ORDER BY system_id"
    );
    let addresses = |list: Vec<Sender>| list.iter().map(ToString::to_string).collect();
    Ok(tx.query(&sql, &params![workspace, now], |row| {
        let account = read(row)?;
        let inbound: Vec<Sender> = serde_json::from_str(&row.get::<String>("inbound")?).unwrap_or_default();
        Ok(AccountInfo {
            allow: row.get::<String>("allow")?.split_whitespace().map(str::to_owned).collect(),
            rate: account.rate.map(NonZeroU32::get),
            senders: addresses(account.senders),
            inbound: addresses(inbound),
            last_bound_at: row.get("last_bound_at")?,
            retires_at: row.get("retires_at")?,
            id: account.id,
            system_id: account.system_id,
            allow_plaintext: account.allow_plaintext,
            max_binds: account.max_binds,
            window: account.window,
            max_waiting: account.max_waiting,
            message_ids: account.message_ids,
            class: account.class,
            long_inbound: account.long_inbound,
            vendor_tlvs: account.vendor_tlvs,
        })
    })?)
}

/// Which binds of an account still hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// A bind of another version is out of date.
    version: i64,
    /// One that is not younger than this was ended by somebody.
    ended_at: Option<Timestamp>,
}

impl Standing {
    /// Whether a bind of this version from then on still holds.
    pub(crate) fn holds(self, version: i64, since: Timestamp) -> bool {
        version == self.version && self.ended_at.is_none_or(|ended| since > ended)
    }
}

/// How all accounts there are stand.
pub(crate) fn standings(tx: &mut Tx<'_>) -> Result<Vec<(SmppAccountId, Standing)>, Error> {
    Ok(tx.query("SELECT id, version, ended_at FROM smpp_accounts WHERE removed_at IS NULL", &params![], |row| {
        Ok((row.get("id")?, Standing { version: row.get("version")?, ended_at: row.get("ended_at")? }))
    })?)
}

/// Ends the binds that an account has up to `at`; false when the workspace has no such account.
pub(crate) fn end_binds(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: SmppAccountId,
    at: Timestamp,
) -> Result<bool, Error> {
    let ended = tx.execute(
        "UPDATE smpp_accounts SET ended_at = $3 WHERE id = $1 AND workspace = $2 AND removed_at IS NULL",
        &params![id, workspace, at],
    )?;
    Ok(ended > 0)
}

/// Notes that an account has bound.
pub(crate) fn bound(tx: &mut Tx<'_>, id: SmppAccountId, at: Timestamp) -> Result<(), Error> {
    tx.execute("UPDATE smpp_accounts SET last_bound_at = $2 WHERE id = $1", &params![id, at])?;
    Ok(())
}

/// The account of `workspace` that messages to this address of ours are for: the first by `system_id`.
pub(crate) fn of_inbound(tx: &mut Tx<'_>, workspace: WorkspaceId, to: &str) -> Result<Option<SmppAccountId>, Error> {
    Ok(serving(tx, to)?.into_iter().find(|(of, _)| *of == workspace).map(|(_, id)| id))
}

/// The workspaces whose accounts receive at this address of ours.
pub(crate) fn owners(tx: &mut Tx<'_>, to: &str) -> Result<Vec<WorkspaceId>, store::Error> {
    Ok(serving(tx, to)?.into_iter().map(|(workspace, _)| workspace).collect())
}

/// The accounts that receive at this address, by `system_id`.
fn serving(tx: &mut Tx<'_>, to: &str) -> Result<Vec<(WorkspaceId, SmppAccountId)>, store::Error> {
    let rows = tx.query(
        "SELECT workspace, id, inbound FROM smpp_accounts WHERE removed_at IS NULL AND inbound <> '[]' ORDER BY system_id",
        &params![],
        |row| Ok((row.get("workspace")?, row.get("id")?, row.get::<String>("inbound")?)),
    )?;
    let serves = |addresses: &str| {
        serde_json::from_str::<Vec<Sender>>(addresses)
            .is_ok_and(|list| list.iter().any(|address| address.as_str() == to))
    };
    Ok(rows.into_iter().filter(|(_, _, addresses)| serves(addresses)).map(|(of, id, _)| (of, id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let id = base::MessageId::from(Uuid::from_u128(7));
        for (ids, text, named) in [
            (MessageIds::Uuid, "00000000-0000-0000-0000-000000000007", Named::Id(id)),
            (MessageIds::Decimal, "4097", Named::Number(4097)),
            (MessageIds::Hex8, "00001001", Named::Number(4097)),
        ] {
            let written = ids.write(id, 4097);
            assert_eq!(written.to_str(), text);
            assert_eq!(ids.read(&written), Some(named));
            assert_eq!(MessageIds::parse(ids.name()), ids);
        }
        assert_eq!(MessageIds::Hex8.read(&Text::from("00001fff")), Some(Named::Number(0x1FFF)), "in either case");
        for (ids, text) in [(MessageIds::Uuid, "7"), (MessageIds::Decimal, "-1"), (MessageIds::Hex8, "xyz")] {
            assert_eq!(ids.read(&Text::from(text)), None, "{text}");
        }
    }
}
