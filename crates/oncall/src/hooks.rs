//! What happens here when people are configured: `identity` owns the kind `users` and tells us.

use base::{Timestamp, UserId};
use identity::{DeviceSpec, PeopleHooks, PersonSpec};
use resources::Check;
use sms::{Number, NumberError};
use store::Tx;
use vault::{Purpose, SealedColumn};

use crate::devices::{DeviceKind, NewDevice};
use crate::people::{OnCall, Person, PersonChange};

/// Devices of one person at most.
const DEVICES_MAX: usize = 10;

impl PeopleHooks for OnCall {
    fn validate(&self, devices: &[DeviceSpec], check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        if devices.len() > DEVICES_MAX {
            check.problem("devices", "too-many-devices", format!("A person has at most {DEVICES_MAX} devices."));
        }
        // `identity` has checked kind, form and duplicates; what is left is whether such a number can exist.
        for (place, device) in devices.iter().enumerate() {
            if let Err(error @ (NumberError::Country | NumberError::Length)) = Number::parse(&device.number, None) {
                check.problem(format!("devices[{place}].number"), "no-such-number", error.to_string());
            }
        }
        Ok(())
    }

    fn changed(&self, tx: &mut Tx<'_>, person: &PersonSpec<'_>, _now: Timestamp) -> Result<(), resources::Error> {
        let mut devices: Vec<&DeviceSpec> = person.devices.iter().collect();
        devices.sort_by_key(|device| device.order);
        let devices = devices
            .into_iter()
            // `validate` has seen them; one that still does not parse must not stop the person's other devices.
            .filter_map(|device| Number::parse(&device.number, None).ok())
            .map(|number| NewDevice { kind: DeviceKind::Sms, number, verified: false })
            .collect();
        let change = PersonChange {
            person: Person {
                id: person.id,
                login: person.login.to_owned(),
                name: person.name.to_owned(),
                enabled: person.enabled,
            },
            devices,
        };
        self.set_person(tx, &change).map_err(resources::Error::kind)
    }

    fn removed(&self, tx: &mut Tx<'_>, user: UserId, _now: Timestamp) -> Result<(), resources::Error> {
        self.remove_person(tx, user).map_err(resources::Error::kind)
    }

    fn sealed_columns(&self) -> &'static [SealedColumn] {
        &[SealedColumn { table: "devices", column: "number", id: "id", workspace: None, purpose: Purpose::People }]
    }
}
