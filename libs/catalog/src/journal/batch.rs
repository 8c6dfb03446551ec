//! Group commit: the journal's one writer.
//!
//! While a transaction is on its way to the disk, requests gather in a bounded channel; the next transaction takes all
//! of them. So each request waits for at most two commits, and the busier the instance, the fewer commits a request
//! costs. There is no delay to collect more: an idle journal answers after one commit.
//!
//! Every request may be done twice without harm, hence a transaction of which nobody knows whether it was committed is
//! run again.

use std::collections::HashMap;
use std::slice;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relais_model::Event;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::apply;
use super::{Announcement, Applied, Batches, Intent, Journal, append};
use crate::database::Database;
use crate::entities::journal::{self, Column, Entity, State};
use crate::error::{CatalogError, Fault};
use crate::instance::Instance;

/// Requests in one transaction. With [`OVERDUE_MAX`] it keeps statements far below the 32,766 parameters of SQLite.
const BATCH_REQUESTS_MAX: usize = 256;

/// Overdue words of each kind in one transaction.
const OVERDUE_MAX: usize = 1000;

/// Overdue words of each kind that are kept. What is forgotten beyond is an intent that this instance does not know, should it
/// have been written at all, and those are left to recovery when their lease is over.
const OVERDUE_KEPT_MAX: usize = 10_000;

/// How often a transaction is tried that met another instance or lost its connection.
const ATTEMPTS_MAX: u32 = 5;

/// Pause before the second attempt, twice as long before the third, and so on.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// What goes through the channel.
#[derive(Debug)]
pub(crate) enum Message {
    Request(Request),
    /// Write down what is overdue, though nobody asks for anything.
    CatchUp,
    Stop,
}

/// One caller's wish. The answer holds an event if it was to apply an intent that exists.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) id: Uuid,
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Option<Event>, CatalogError>>,
}

#[derive(Debug)]
pub(crate) enum Work {
    Open(Intent),
    Apply(Box<Applied>),
    Abandon,
    Doubt,
    Announce(Box<Announcement>),
}

/// Takes requests from the channel to the database.
#[derive(Debug)]
pub(crate) struct Writer {
    database: Database,
    instance: Arc<Instance>,
    batches: Arc<Batches>,
    overdue: Overdue,
    news: watch::Sender<()>,
    waiting: mpsc::Receiver<Message>,
}

/// Intents about which something is still to be written down, by the next transaction: nobody waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Overdue(Arc<Mutex<Words>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// To be abandoned: the caller went away, or heard an error, before it could act.
    abandoned: Vec<Uuid>,
    /// To be left to recovery: the database was away when the caller had its last word.
    doubted: Vec<Uuid>,
}

impl Words {
    /// Those that have waited longest, no more than one transaction takes.
    fn first(&self) -> Self {
        let first = |ids: &[Uuid]| ids[..ids.len().min(OVERDUE_MAX)].to_vec();
        Self { abandoned: first(&self.abandoned), doubted: first(&self.doubted) }
    }
}

impl Overdue {
    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn abandon(&self, id: Uuid) {
        let mut words = self.words();
        if words.abandoned.len() < OVERDUE_KEPT_MAX {
            words.abandoned.push(id);
        }
    }

    pub(super) fn doubt(&self, id: Uuid) {
        let mut words = self.words();
        if words.doubted.len() < OVERDUE_KEPT_MAX {
            words.doubted.push(id);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let words = self.words();
        words.abandoned.is_empty() && words.doubted.is_empty()
    }

    /// Only the writer takes words away, and new ones are added behind: so those that are done still stand first.
    fn done(&self, done: &Words) {
        let mut words = self.words();
        words.abandoned.drain(..done.abandoned.len());
        words.doubted.drain(..done.doubted.len());
    }
}

impl Writer {
    /// The writer of a journal. It keeps no handle of it, or it would never see the last one go.
    pub(super) fn new(journal: &Journal, waiting: mpsc::Receiver<Message>) -> Self {
        Self {
            database: journal.database.clone(),
            instance: Arc::clone(&journal.instance),
            batches: Arc::clone(&journal.batches),
            overdue: journal.overdue.clone(),
            news: journal.news.clone(),
            waiting,
        }
    }

    /// Works until it is told to stop, or until nobody is left to ask.
    pub(crate) async fn run(mut self) {
        let mut messages = Vec::with_capacity(BATCH_REQUESTS_MAX);
        while self.waiting.recv_many(&mut messages, BATCH_REQUESTS_MAX).await > 0 {
            let mut batch = Vec::with_capacity(messages.len());
            for message in messages.drain(..) {
                match message {
                    Message::Request(request) => batch.push(request),
                    Message::CatchUp => {}
                    // What is in the channel already is still answered.
                    Message::Stop => self.waiting.close(),
                }
            }
            self.answer(batch).await;
        }
        if !self.overdue.is_empty() {
            self.answer(Vec::new()).await;
        }
    }

    async fn answer(&self, batch: Vec<Request>) {
        let result = self.commit(&batch).await;
        let refused = result.as_ref().is_err_and(|error| Fault::of(error) == Fault::Statement);
        if !refused || batch.len() < 2 {
            return self.reply(batch, result);
        }
        // One request that the database refuses must not take the others with it.
        for request in batch {
            let result = self.commit(slice::from_ref(&request)).await;
            self.reply(vec![request], result);
        }
    }

    fn reply(&self, batch: Vec<Request>, mut result: Result<HashMap<Uuid, Event>, DbErr>) {
        for request in batch {
            let answer = match &mut result {
                Ok(events) => Ok(events.remove(&request.id)),
                Err(error) => Err(self.database.explain(error.clone())),
            };
            // A caller that is gone needs no answer.
            let _ = request.reply.send(answer);
        }
    }

    async fn commit(&self, batch: &[Request]) -> Result<HashMap<Uuid, Event>, DbErr> {
        let mut attempt = 1;
        loop {
            match self.try_commit(batch).await {
                Err(error) if attempt < ATTEMPTS_MAX && Fault::of(&error).may_pass() => {
                    tracing::debug!(attempt, %error, "the journal's transaction is tried again");
                    tokio::time::sleep(RETRY_PAUSE * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_commit(&self, batch: &[Request]) -> Result<HashMap<Uuid, Event>, DbErr> {
        let now = self.database.now();
        let wants = |wanted: fn(&Work) -> bool| batch.iter().filter(move |r| wanted(&r.work)).map(|r| r.id);
        let overdue = self.overdue.words().first();
        let abandoned: Vec<_> =
            wants(|w| matches!(w, Work::Abandon)).chain(overdue.abandoned.iter().copied()).collect();
        let doubted: Vec<_> =
            wants(|w| matches!(w, Work::Doubt)).chain(overdue.doubted.iter().copied()).collect();

        let transaction = self.database.begin().await?;
        let renew = self.instance.is_due(now);
        if renew {
            self.instance.renew(&transaction, now).await?;
        }
        // Before applying: what changed nothing overlaps with nothing.
        abandon(&transaction, &abandoned).await?;
        let applied = batch.iter().filter_map(|request| match &request.work {
            Work::Apply(applied) => Some((request.id, &**applied)),
            _ => None,
        });
        let apply::Outcome { events, mut rows } = apply::apply(&transaction, now, applied.collect()).await?;
        doubt(&transaction, &doubted, now).await?;
        let announcements = batch.iter().filter_map(|request| match &request.work {
            Work::Announce(announcement) => Some(announcement.as_ref()),
            _ => None,
        });
        let instance = self.instance.id;
        rows.extend(append::announced(&transaction, instance, now, announcements.collect()).await?);
        let is_news = !rows.is_empty();
        // After applying: no store can have heard of these before this transaction ends.
        rows.extend(self.opened(batch, now));
        append::append(&transaction, rows).await?;
        transaction.commit().await?;

        if renew {
            self.instance.renewed(now);
        }
        self.overdue.done(&overdue);
        self.batches.transactions.fetch_add(1, Ordering::Relaxed);
        self.batches.requests.fetch_add(batch.len() as u64, Ordering::Relaxed);
        if is_news {
            self.news.send_replace(());
        }
        Ok(events)
    }

    /// The rows of new intents.
    fn opened(&self, batch: &[Request], now: i64) -> impl Iterator<Item = journal::Model> {
        // Nobody would ever decide an intent of which nobody heard.
        let heard = batch.iter().filter(|request| !request.reply.is_closed());
        heard.filter_map(move |request| match &request.work {
            Work::Open(intent) => Some(journal::Model {
                id: request.id,
                bucket: intent.bucket.to_string(),
                key: intent.key.to_string(),
                kind: intent.kind.name().to_owned(),
                state: State::Open,
                instance: self.instance.id,
                opened_sequencer: 0, // Found out as the row is written.
                updated_at: now,
                sequencer: None,
                event: None,
                settled_at: None,
                position: None,
            }),
            _ => None,
        })
    }
}

async fn abandon(transaction: &DatabaseTransaction, ids: &[Uuid]) -> Result<(), DbErr> {
    if !ids.is_empty() {
        let unapplied = Column::Sequencer.is_null();
        let these = Column::Id.is_in(ids.iter().copied());
        Entity::delete_many().filter(these).filter(unapplied).exec(transaction).await?;
    }
    Ok(())
}

async fn doubt(transaction: &DatabaseTransaction, ids: &[Uuid], now: i64) -> Result<(), DbErr> {
    if !ids.is_empty() {
        Entity::update_many()
            .col_expr(Column::State, Expr::value(State::Doubt))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::State.eq(State::Open))
            .exec(transaction)
            .await?;
    }
    Ok(())
}
