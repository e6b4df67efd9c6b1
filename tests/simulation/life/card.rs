//! Commits: when they begin, how long they take, what the card says.

use super::*;

impl Life<'_> {
    /// A commit begins when something waits, and ends when the card likes.
    pub(super) fn plan_commit(&mut self) {
        let waiting = self.handle.waiting();
        if self.commit.is_some() || waiting == 0 {
            return;
        }
        let now = self.clock.now();
        if let Some((count, again)) = self.failed
            && waiting <= count
            && now < again
        {
            return;
        }
        let things = &mut *self.world.outside.things();
        let (takes, disk) = things.faults.commit(&mut things.rng);
        self.commit = Some((now + takes, disk));
    }

    pub(super) fn commit(&mut self) {
        let Some((_, disk)) = self.commit.take() else {
            return;
        };
        if !self.alive() {
            return;
        }
        self.store.turn(disk);
        let failed = self.handle.waiting() > 0;
        self.failed = failed.then(|| (self.handle.waiting(), self.clock.now() + STORE_RETRIES));
        let things = &mut *self.world.outside.things();
        if failed {
            things.ledger.card_failed(matches!(disk, Disk::Denies(_)));
        } else {
            things.ledger.card_took_all();
        }
        if failed != (disk != Disk::Real) {
            things
                .ledger
                .violation("the store failed of its own accord");
        }
        things
            .log
            .line(self.clock.now(), format_args!("commit: {disk:?}"));
    }
}
