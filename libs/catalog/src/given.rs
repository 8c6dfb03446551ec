//! Rows that are given to a statement, however many: `given`, a table like any other within it.
//!
//! They go in as one text of JSON. So the text of the statement does not depend on their number, and a connection
//! prepares and plans it once; a list of values would be parsed anew for each length.

use sea_orm::sea_query::ColumnType;
use sea_orm::{ColumnTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Statement};
use serde::Serialize;

/// Rows with some of the columns of a table.
#[derive(Debug)]
pub(crate) struct Given {
    backend: DbBackend,
    /// What stands behind FROM.
    from: String,
    /// The names of the columns, and what each is made from.
    columns: Vec<(&'static str, String)>,
    /// What stands before INSERT.
    first: String,
    /// What stands behind UPDATE SET.
    replacing_if: String,
    json: String,
}

impl Given {
    /// Rows that have these columns as fields of their names.
    pub(crate) fn new<C: ColumnTrait>(
        backend: DbBackend,
        columns: impl IntoIterator<Item = C>,
        rows: &[impl Serialize],
    ) -> Result<Self, DbErr> {
        let columns: Vec<C> = columns.into_iter().collect();
        let from = match backend {
            DbBackend::Postgres => records(&columns),
            _ => elements(&columns),
        };
        let json = serde_json::to_string(rows).map_err(|error| DbErr::Json(error.to_string()))?;
        let columns = columns.iter().map(|column| (column.as_str(), format!("given.{}", column.as_str())));
        Ok(Self {
            backend,
            from,
            columns: columns.collect(),
            first: String::new(),
            replacing_if: String::new(),
            json,
        })
    }

    /// Makes a column of [`Given::insert`] by an expression over what is given.
    pub(crate) fn with<C: ColumnTrait>(mut self, column: C, expression: &str) -> Self {
        let made = self.columns.iter_mut().find(|(name, _)| *name == column.as_str());
        if let Some((_, made)) = made {
            expression.clone_into(made);
        }
        self
    }

    /// Has a SELECT of one row done before the first row is written.
    pub(crate) fn once(mut self, first: &str) -> Self {
        self.first = format!("WITH first AS MATERIALIZED ({first}) ");
        self.from.push_str(" CROSS JOIN first");
        self
    }

    /// Leaves rows alone that are there already unless this holds, in which what is given is called `excluded`.
    pub(crate) fn replacing_if(mut self, condition: &str) -> Self {
        self.replacing_if = format!(" WHERE {condition}");
        self
    }

    /// A question, with the rows in the place of `{given}`, which is behind FROM.
    pub(crate) fn look(self, sql: &str) -> Statement {
        let sql = sql.replace("{given}", &self.from);
        self.statement(sql)
    }

    /// Writes the rows into the table of an entity. Those that are there already, by `key`, stay as they are but for the
    /// columns that are to be replaced.
    pub(crate) fn insert<E: EntityTrait>(self, key: &[E::Column], replaced: &[E::Column]) -> Statement {
        let names = |columns: &[E::Column]| {
            columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (columns, values): (Vec<_>, Vec<_>) =
            self.columns.iter().map(|(name, made)| (*name, made.as_str())).unzip();
        let mut sql = format!(
            "{}INSERT INTO {} ({}) SELECT {} FROM {} WHERE true ON CONFLICT ({}) DO ",
            self.first,
            E::default().table_name(),
            columns.join(", "),
            values.join(", "),
            self.from,
            names(key),
        );
        match replaced {
            [] => sql.push_str("NOTHING"),
            _ => {
                let set = replaced.iter().map(|column| format!("{0} = excluded.{0}", column.as_str()));
                sql.push_str(&format!("UPDATE SET {}", set.collect::<Vec<_>>().join(", ")));
                sql.push_str(&self.replacing_if);
            }
        }
        self.statement(sql)
    }

    fn statement(self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, [self.json.into()])
    }
}

/// PostgreSQL's way: a record with a type for each column.
fn records<C: ColumnTrait>(columns: &[C]) -> String {
    let typed = columns.iter().map(|column| {
        let of = match column.def().get_column_type() {
            ColumnType::BigInteger => "bigint",
            ColumnType::Boolean => "boolean",
            ColumnType::Integer => "integer",
            ColumnType::Json | ColumnType::JsonBinary => "json",
            ColumnType::Uuid => "uuid",
            _ => "text",
        };
        format!("{} {of}", column.as_str())
    });
    format!("json_to_recordset(CAST($1 AS json)) AS given ({})", typed.collect::<Vec<_>>().join(", "))
}

/// SQLite's way: an element of an array, whose fields are asked for one by one.
fn elements<C: ColumnTrait>(columns: &[C]) -> String {
    let fields = columns.iter().map(|column| {
        let name = column.as_str();
        match column.def().get_column_type() {
            ColumnType::Json | ColumnType::JsonBinary => {
                format!("nullif(value -> '{name}', 'null') AS {name}")
            }
            ColumnType::Uuid => format!("unhex(value ->> '{name}', '-') AS {name}"),
            _ => format!("value ->> '{name}' AS {name}"),
        }
    });
    format!("(SELECT {} FROM jsonb_each(?1)) AS given", fields.collect::<Vec<_>>().join(", "))
}
