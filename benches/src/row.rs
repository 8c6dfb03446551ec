//! One load, sent to everybody who is compared, in turns.

use std::fmt::Debug;
use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;

use crate::figures::Figures;
use crate::load::{self, Target};
use crate::objects;
use crate::plan::{Load, Operation, Plan};
use crate::presign;

/// `P` tells who is compared.
#[derive(Debug)]
pub(crate) struct Row<P> {
    pub(crate) load: Load,
    object: Bytes,
    lanes: Vec<Lane<P>>,
}

/// One that is compared: who it is, where it listens, and what it wants of its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner<P> {
    pub(crate) who: P,
    pub(crate) address: SocketAddr,
    pub(crate) checks_signatures: bool,
}

#[derive(Debug)]
struct Lane<P> {
    who: P,
    target: Target,
    figures: Figures,
}

impl<P: Copy + Debug + PartialEq> Row<P> {
    /// Prepares the requests of a load for everybody.
    pub(crate) async fn new(
        operation: Operation,
        load: Load,
        runners: impl IntoIterator<Item = Runner<P>>,
    ) -> anyhow::Result<Self> {
        let mut lanes = Vec::new();
        for Runner { who, address, checks_signatures } in runners {
            let paths = match checks_signatures {
                true => presign::signed(operation, &load, address).await?,
                false => presign::plain(&load)?,
            };
            lanes.push(Lane { who, target: Target { address, paths }, figures: Figures::default() });
        }
        Ok(Self { load, object: objects::object(&load), lanes })
    }

    /// Gives each its turn. Who begins rotates, so that nobody always follows the same neighbour.
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
            lane.figures.add(&turn.with_context(|| format!("{:?}, {}", lane.who, self.load.name))?);
        }
        Ok(())
    }

    pub(crate) fn figures(&self) -> impl Iterator<Item = (P, &Figures)> {
        self.lanes.iter().map(|lane| (lane.who, &lane.figures))
    }

    pub(crate) fn of(&self, who: P) -> anyhow::Result<&Figures> {
        let mut figures = self.figures();
        let found =
            figures.find(|(of, _)| *of == who).with_context(|| format!("{who:?} was not measured"))?;
        Ok(found.1)
    }
}
