//! The columns of `users` as they are read and written, whoever made the table: by casts, on either database.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{DbBackend, EntityTrait, IdenStatic, Iterable, QuerySelect, Select};
use serde_json::Value;

use crate::database::date;
use crate::entities::user::{Column, Entity};

/// The columns on one kind of database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns(pub(super) DbBackend);

impl Columns {
    /// Users with all columns, each as what it is read as.
    pub(super) fn select(self) -> Select<Entity> {
        let none = Entity::find().select_only();
        Column::iter().fold(none, |some, column| some.expr_as(self.read(column), column.as_str()))
    }

    /// A column as what it is read as.
    pub(super) fn read(self, column: Column) -> SimpleExpr {
        let kept = Expr::col(column);
        match (column, self.0) {
            (Column::Id | Column::Credits, _) => kept.cast_as("bigint"),
            (Column::CreatedAt | Column::UpdatedAt | Column::LastLogin, DbBackend::Postgres) => {
                kept.cast_as("timestamp with time zone")
            }
            (Column::CreatedAt | Column::UpdatedAt | Column::LastLogin, _) => kept.cast_as("text"),
            // PostgreSQL's two types are read alike; SQLite's is whatever the column claims, and always a text.
            (Column::FavoriteVoices | Column::History | Column::Preferences, DbBackend::Sqlite) => {
                kept.cast_as("text")
            }
            _ => kept,
        }
    }

    /// A time, in microseconds since 1970, as it is written: on SQLite as its own functions would, to the microsecond.
    pub(super) fn time(self, micros: i64) -> SimpleExpr {
        let time = date(micros);
        match self.0 {
            DbBackend::Postgres => Expr::value(time),
            _ => Expr::value(time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
        }
    }

    /// JSON as it is written. PostgreSQL makes either of its types of this one, and it refuses no character.
    pub(super) fn json(self, value: &Value) -> SimpleExpr {
        let text = Expr::value(value.to_string());
        match self.0 {
            DbBackend::Postgres => text.cast_as("json"),
            _ => text,
        }
    }
}
