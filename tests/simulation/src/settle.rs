//! What is demanded when the faults are over.

use dab_ledger::testing::core::CoreState;

use crate::checker::Voters;
use crate::client::Client;
use crate::ledger::QUORUM;
use crate::rules::{Check, Rule};
use crate::world::World;

/// Steps after the last fault within which everything proposed is decided, and again everything proposed then.
const SETTLE_STEPS: u64 = 3000;
/// Steps within which a replica that holds another tree than the certified one learns of it.
const LEARN_STEPS: u64 = 1000;

impl World {
    /// Everything works again: what was proposed is decided, what is proposed now too, and all replicas agree. Where raft
    /// broke, nobody promises that; but what is certified stands, and who holds another tree has stopped.
    pub(crate) fn settle(&mut self) -> Check {
        self.settling = true;
        self.end_all_faults();
        self.wait_until("what was proposed is decided", Self::clients_are_idle)?;
        self.clients(|client, around| {
            client.begin_proposal(around);
            Ok(())
        })?;
        self.wait_until("what is proposed now is decided", Self::clients_are_idle)?;
        self.wait_until("all replicas certify the same tree", Self::replicas_agree)?;
        if self.checker.raft_is_broken {
            self.wait(LEARN_STEPS)?;
        }
        self.look_back()
    }

    fn wait_until(&mut self, what: &str, reached: impl Fn(&mut Self) -> bool) -> Check {
        let last = self.now + SETTLE_STEPS;
        while !self.checker.raft_is_broken && !reached(self) {
            if self.now == last {
                let cores = self.machines.iter_mut().filter_map(|machine| machine.core.as_mut());
                let states: Vec<_> = cores.map(|core| core.state()).collect();
                let what = format!("{what} is not reached; {states:?}");
                return self.checker.watch.broken(Rule::Progress, what);
            }
            self.step()?;
        }
        Ok(())
    }

    fn wait(&mut self, steps: u64) -> Check {
        let last = self.now + steps;
        while self.now < last {
            self.step()?;
        }
        Ok(())
    }

    fn clients_are_idle(&mut self) -> bool {
        self.clients.iter().all(Client::is_idle)
    }

    fn replicas_agree(&mut self) -> bool {
        let traitor = self.scenario.traitor.map(|(id, _)| id);
        let honest = self.machines.iter_mut().filter(|machine| traitor != Some(machine.id));
        let states: Vec<_> = honest
            .map(|machine| machine.core.as_mut().map(|core| core.state()))
            .collect();
        let first = states[0].as_ref().map(|state| state.tree);
        let agrees = |state: &CoreState| Some(state.tree) == first && state.certified == state.tree.0;
        states.iter().all(|state| state.as_ref().is_some_and(agrees))
    }

    fn look_back(&mut self) -> Check {
        let traitor = self.scenario.traitor.map(|(id, _)| id);
        let mut trees = Vec::new();
        for machine in self.machines.iter_mut().filter(|machine| traitor != Some(machine.id)) {
            let Some(core) = &mut machine.core else { continue };
            self.report.leaves = self.report.leaves.max(core.state().certified);
            let tree = self.checker.whole_tree(machine.id, core)?;
            if self.checker.voters != Voters::Honest {
                self.checker.is_not_forked(machine.id, &tree, &machine.shown)?;
            }
            trees.push(tree);
        }
        // a quorum held it, of which one may be the traitor
        let holders = match self.checker.raft_is_broken {
            true => QUORUM as usize - 1,
            false => trees.len(),
        };
        self.checker.nothing_lost(&trees, holders)
    }
}
