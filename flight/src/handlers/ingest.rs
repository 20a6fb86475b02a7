//! Bulk ingest.

use std::sync::Arc;

use arrow_flight::sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption};
use bytes::Bytes;
use dab_query::{IngestMode, IngestTarget};
use dab_storage::LoadedSource;
use datafusion::{error::DataFusionError, physical_plan::stream::RecordBatchStreamAdapter};
use futures::StreamExt;
use parking_lot::Mutex;
use tonic::Status;

use super::statement;
use crate::{
    auth::Caller,
    idempotency::IDEMPOTENCY_KEY_HEADER,
    service::{CATALOG, DEFAULT_SCHEMA, Service, refuse_transaction},
    status,
    upload::Upload,
    wire,
};

/// Option with what the rows were loaded from: JSON, a list of [`LoadedSource`].
pub(crate) const SOURCES_OPTION: &str = "dab.sources";

/// Streams an upload into a table, in one commit; the encoded `DoPutUpdateResult`. If the upload breaks off or a row does
/// not fit, nothing is committed.
pub(crate) async fn ingest(
    service: &Arc<Service>,
    caller: &Caller,
    command: CommandStatementIngest,
    mut upload: Upload,
) -> Result<Bytes, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    if caller.key.is_some() {
        // it would have to stand for the rows, which nobody knows before they are all here
        return Err(Status::unimplemented(format!(
            "bulk ingest takes no {IDEMPOTENCY_KEY_HEADER}: look in dab.commits whether the rows came, before sending them again"
        )));
    }
    let (target, sources) = (target(&command)?, sources(&command)?);
    let sent = upload
        .schema()
        .await?
        .ok_or_else(|| Status::invalid_argument("an ingest without a schema"))?;
    let schema = wire::plain_schema(&sent);
    // the engine words a failed input its own way; the client hears the reason itself
    let broken = Arc::new(Mutex::new(None::<Status>));
    let batches = {
        let (schema, broken) = (Arc::clone(&schema), Arc::clone(&broken));
        upload.into_batches().map(move |batch| {
            let plain =
                |batch| wire::conform(&batch, &schema).map_err(|error| Status::invalid_argument(error.to_string()));
            batch.and_then(plain).map_err(|status| {
                let error = DataFusionError::Execution(status.message().to_owned());
                broken.lock().get_or_insert(status);
                error
            })
        })
    };
    let input = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), batches));
    let session = service.session(caller);
    let write = async move {
        let outcome = session.ingest(target, schema, input, sources).await;
        outcome.map_err(|error| broken.lock().take().unwrap_or_else(|| status::of_query(&error)))
    };
    statement::update_result(service, &service.query_threads.run(write).await?).await
}

fn target(command: &CommandStatementIngest) -> Result<IngestTarget, Status> {
    if command.temporary {
        return Err(Status::invalid_argument(
            "temporary tables are not supported, ingest into a table that stays",
        ));
    }
    let named =
        |given: &Option<String>, known: &str| given.as_deref().is_none_or(|name| name.is_empty() || name == known);
    if !named(&command.catalog, CATALOG) || !named(&command.schema, DEFAULT_SCHEMA) {
        return Err(Status::invalid_argument(format!(
            "tables can be made in {CATALOG}.{DEFAULT_SCHEMA} only"
        )));
    }
    let options = command.table_definition_options.unwrap_or_default();
    use {TableExistsOption as Exists, TableNotExistOption as Missing};
    let mode = match (options.if_not_exist(), options.if_exists()) {
        (Missing::Create | Missing::Unspecified, Exists::Fail | Exists::Unspecified) => IngestMode::Create,
        (Missing::Fail, Exists::Append) => IngestMode::Append,
        (Missing::Create | Missing::Unspecified, Exists::Append) => IngestMode::CreateOrAppend,
        (Missing::Create | Missing::Unspecified, Exists::Replace) => IngestMode::Replace,
        (Missing::Fail, Exists::Replace) => {
            return Err(Status::invalid_argument(
                "replacing only a table that exists is not supported, replace or create",
            ));
        }
        (Missing::Fail, Exists::Fail | Exists::Unspecified) => {
            return Err(Status::invalid_argument("an ingest that may neither create nor append"));
        }
    };
    Ok(IngestTarget {
        table: command.table.clone(),
        mode,
    })
}

fn sources(command: &CommandStatementIngest) -> Result<Vec<LoadedSource>, Status> {
    let Some(json) = command.options.get(SOURCES_OPTION) else {
        return Ok(Vec::new());
    };
    let refused = |reason: String| Status::invalid_argument(format!("option {SOURCES_OPTION}: {reason}"));
    let sources: Vec<LoadedSource> = serde_json::from_str(json).map_err(|error| refused(error.to_string()))?;
    LoadedSource::check_all(&sources).map_err(refused)?;
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::sql::TableDefinitionOptions;
    use tonic::Code;

    fn command(missing: TableNotExistOption, exists: TableExistsOption) -> CommandStatementIngest {
        let options = TableDefinitionOptions {
            if_not_exist: missing as i32,
            if_exists: exists as i32,
        };
        CommandStatementIngest {
            table_definition_options: Some(options),
            table: "t".into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_four_modes_of_adbc_are_known() {
        use {TableExistsOption as Exists, TableNotExistOption as Missing};
        for (missing, exists, expected) in [
            (Missing::Create, Exists::Fail, "Create"),
            (Missing::Fail, Exists::Append, "Append"),
            (Missing::Create, Exists::Replace, "Replace"),
            (Missing::Create, Exists::Append, "CreateOrAppend"),
        ] {
            assert_eq!(
                format!("{:?}", target(&command(missing, exists)).unwrap().mode),
                expected
            );
        }
        assert!(target(&command(Missing::Fail, Exists::Replace)).is_err());
        assert!(target(&command(Missing::Fail, Exists::Fail)).is_err());
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let create = || command(TableNotExistOption::Create, TableExistsOption::Fail);
        let refused = |command: CommandStatementIngest, word: &str| {
            let status = target(&command).unwrap_err();
            assert!(
                status.code() == Code::InvalidArgument && status.message().contains(word),
                "{status}"
            );
        };
        refused(
            CommandStatementIngest {
                temporary: true,
                ..create()
            },
            "temporary",
        );
        refused(
            CommandStatementIngest {
                schema: Some("dab".into()),
                ..create()
            },
            "lake.public",
        );
        refused(
            CommandStatementIngest {
                catalog: Some("other".into()),
                ..create()
            },
            "lake.public",
        );
        let named = CommandStatementIngest {
            catalog: Some("lake".into()),
            schema: Some("public".into()),
            ..create()
        };
        assert_eq!(target(&named).unwrap().table, "t");
        let options = [(SOURCES_OPTION.to_owned(), "[{]".to_owned())].into();
        assert!(sources(&CommandStatementIngest { options, ..create() }).is_err());
    }
}
