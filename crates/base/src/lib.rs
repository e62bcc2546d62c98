//! Ground floor: typed ids, time, chance, secrets, masks for personal values, paging and problems.
//!
//! Everything here is a value or a small trait. This room does no I/O: the operating system's clock is
//! the one exception, and it stands behind [`Clock`] so that every other room takes time as an argument.

mod hex;
mod ids;
mod mask;
mod nearest;
mod page;
mod problem;
mod time;

pub use hex::hex;
pub use ids::{
    AlertId, ApiKeyId, AuditId, BatchId, CarrierId, DeviceId, ExportId, FlowId, GroupId, IdError, InboundId,
    IntegrationId, MailId, MessageId, NotificationId, OauthClientId, OrganisationId, RequestId, ResourceId, RoleId,
    RouteId, RunId, SessionId, SignalId, SmppAccountId, TokenIssuerId, UserId, WebhookId, WorkspaceId,
};
pub use mask::{mask_email, mask_phone, mask_text};
pub use nearest::nearest;
pub use page::{Cursor, Page, PageRequest};
pub use problem::{Explain, Problem, ProblemKind};
pub use secrecy::{ExposeSecret, SecretSlice, SecretString};
pub use time::{Chance, Clock, Context, Day, ManualClock, SeededChance, SystemClock, Timestamp};
