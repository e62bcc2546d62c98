//! Row numbers of messages: in order, without a database round trip for each.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use store::Tx;

/// Rows of one segment: the lead of the blind index and of the carrier-id index. Each commit rewrites most pages of the newest
/// segment in both, so fewer rows mean fewer octets written; a search looks into every segment, so fewer mean more looks.
/// Rows from before migration 12 have segments of 4096: their numbers are below those of all later ones.
pub(crate) const SEGMENT: i64 = 1024;

/// The segment of a row.
pub(crate) const fn segment(row: i64) -> i64 {
    row / SEGMENT
}

/// Row numbers that this process may give away: rests of leased segments.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Arc<Mutex<VecDeque<Range<i64>>>>);

impl Numbers {
    /// `count` row numbers, ascending. When what is at hand does not suffice, a whole segment is leased in `tx`, and
    /// its rest becomes everybody's only when `tx` is on disk: a rolled back lease gives the same segment again.
    /// Numbers taken by a transaction that rolls back are lost, which nothing minds.
    pub(crate) fn take(&self, tx: &mut Tx<'_>, count: usize) -> Result<Vec<i64>, store::Error> {
        let mut taken = Vec::with_capacity(count);
        {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            while taken.len() < count {
                let Some(range) = free.front_mut() else { break };
                taken.extend(range.by_ref().take(count - taken.len()));
                if range.is_empty() {
                    free.pop_front();
                }
            }
        }
        while taken.len() < count {
            let leased = tx.next_number("messages.segments")?;
            let mut range = leased * SEGMENT..(leased + 1) * SEGMENT;
            taken.extend(range.by_ref().take(count - taken.len()));
            if !range.is_empty() {
                let pool = self.clone();
                tx.after_commit(move || pool.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(range));
            }
        }
        Ok(taken)
    }
}
