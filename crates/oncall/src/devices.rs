//! Devices: how a person is reached. Numbers are sealed; a keyed hash finds them again.

use std::fmt;

use base::{DeviceId, Timestamp, UserId};
use sms::Number;
use store::{Row, Tx, params};
use vault::{Aad, Purpose, Vault};

use crate::Error;

/// What sort of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A phone that takes text messages.
    Sms,
}

impl DeviceKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
        }
    }
}

/// What a number looks like in our tables: a keyed hash, so that a copy of them tells nobody's number. One value for the
/// whole installation, since one phone can serve several workspaces; it lives as long as the device.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Handset(String);

impl Handset {
    /// The hash of `number`.
    pub fn of(vault: &Vault, number: &Number) -> Self {
        let hash = vault.token_hash(&format!("oncall.handset|{}", number.digits()));
        let (first, _) = hash.split_at(16);
        // 128 bits are plenty to tell numbers apart.
        Self(format!("{:032x}", u128::from_be_bytes(first.try_into().unwrap_or_default())))
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Handset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handset({}…)", self.0.get(..6).unwrap_or(""))
    }
}

/// One device of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id, for as long as the person keeps this number.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What sort.
    pub kind: DeviceKind,
    /// Its number; prints as a mask.
    pub number: Number,
    /// What the number looks like in our tables.
    pub handset: Handset,
    /// Its place among the person's devices, from 0.
    pub position: u32,
    /// Whether its owner has proven to have it. A number that is not proven is paged all the same: not to call is worse.
    pub verified: bool,
}

/// A device as configuration gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// What sort.
    pub kind: DeviceKind,
    /// Its number.
    pub number: Number,
    /// Whether its owner has proven to have it.
    pub verified: bool,
}

/// A row with its number still sealed.
pub(crate) struct Stored {
    id: DeviceId,
    user: UserId,
    number: String,
    handset: String,
    position: u32,
    verified: bool,
}

impl Stored {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, store::Error> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            number: row.get("number")?,
            handset: row.get("handset")?,
            position: row.get("position")?,
            verified: row.get("verified")?,
        })
    }

    pub(crate) fn open(self, tx: &mut Tx<'_>, vault: &Vault) -> Result<Device, Error> {
        let plain = vault.open(tx, None, &aad(&self.id.to_string()), &self.number)?;
        let number = std::str::from_utf8(&plain)
            .ok()
            .and_then(|text| Number::from_carrier(text).ok())
            .ok_or(Error::Corrupt("device"))?;
        Ok(Device {
            id: self.id,
            user: self.user,
            kind: DeviceKind::Sms,
            number,
            handset: Handset::stored(self.handset),
            position: self.position,
            verified: self.verified,
        })
    }
}

fn aad(id: &str) -> Aad<'_> {
    Aad { table: "devices", column: "number", row: id }
}

/// Makes a person's devices these, in this order. A number that stays keeps its id, so that records go on pointing at it.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    vault: &Vault,
    user: UserId,
    devices: &[NewDevice],
    now: Timestamp,
) -> Result<(), Error> {
    let before: Vec<(DeviceId, String)> =
        tx.query("SELECT id, handset FROM devices WHERE user_id = $1", &params![user], |row| {
            Ok((row.get("id")?, row.get("handset")?))
        })?;
    let wanted: Vec<Handset> = devices.iter().map(|device| Handset::of(vault, &device.number)).collect();
    for (id, handset) in &before {
        if !wanted.iter().any(|wanted| wanted.as_str() == handset) {
            tx.execute("DELETE FROM devices WHERE id = $1", &params![*id])?;
        }
    }
    for (place, (device, handset)) in devices.iter().zip(&wanted).enumerate() {
        if wanted[..place].contains(handset) {
            continue;
        }
        let position = u32::try_from(place).unwrap_or(u32::MAX);
        if let Some((id, _)) = before.iter().find(|(_, known)| known == handset.as_str()) {
            tx.execute(
                "UPDATE devices SET position = $2, verified = $3 WHERE id = $1",
                &params![*id, position, device.verified],
            )?;
            continue;
        }
        let id: DeviceId = tx.context().id();
        let key = vault.data_key(tx, None, Purpose::People, now)?;
        let sealed = key.seal(tx.context().chance(), &aad(&id.to_string()), device.number.digits().as_bytes());
        tx.execute(
            "INSERT INTO devices (id, user_id, kind, number, handset, position, verified, added_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &params![id, user, device.kind.as_str(), sealed, handset.as_str(), position, device.verified, now],
        )?;
    }
    Ok(())
}
