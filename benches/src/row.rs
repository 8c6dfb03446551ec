//! One load, sent to every peer in turns.

use anyhow::Context;
use bytes::Bytes;

use crate::figures::Figures;
use crate::load::{self, Target};
use crate::objects;
use crate::peers::{Peer, Running};
use crate::plan::{Load, Operation, Plan};
use crate::presign;

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) load: Load,
    object: Bytes,
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    peer: Peer,
    target: Target,
    figures: Figures,
}

impl Row {
    /// Prepares the requests of a load for every peer.
    pub(crate) async fn new(operation: Operation, load: Load, peers: &[Running]) -> anyhow::Result<Self> {
        let mut lanes = Vec::new();
        for Running { peer, process } in peers {
            let paths = match peer.checks_signatures() {
                true => presign::signed(operation, &load, process.address).await?,
                false => presign::plain(&load)?,
            };
            let target = Target { address: process.address, paths };
            lanes.push(Lane { peer: *peer, target, figures: Figures::default() });
        }
        Ok(Self { load, object: objects::object(&load), lanes })
    }

    /// Gives each peer its turn. Who begins rotates, so that nobody always follows the same neighbour.
    pub(crate) async fn round(
        &mut self,
        operation: Operation,
        plan: &Plan,
        number: usize,
    ) -> anyhow::Result<()> {
        let beginner = number % self.lanes.len();
        let (last, first) = self.lanes.split_at_mut(beginner);
        for lane in first.iter_mut().chain(last) {
            let turn = load::turn(operation, &self.load, &lane.target, &self.object, plan).await;
            lane.figures
                .add(&turn.with_context(|| format!("{}, {}", lane.peer.name(operation), self.load.name))?);
        }
        Ok(())
    }

    pub(crate) fn figures(&self) -> impl Iterator<Item = (Peer, &Figures)> {
        self.lanes.iter().map(|lane| (lane.peer, &lane.figures))
    }

    pub(crate) fn of(&self, peer: Peer) -> anyhow::Result<&Figures> {
        let mut figures = self.figures();
        let found =
            figures.find(|(of, _)| *of == peer).with_context(|| format!("{peer:?} was not measured"))?;
        Ok(found.1)
    }
}
