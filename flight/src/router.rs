//! Every call to its handler.
//!
//! The `FlightService` of Arrow Flight itself; `arrow-flight`'s own dispatcher for Flight SQL cannot answer GetSchema,
//! session options or `is_update`.

use std::sync::Arc;

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
    flight_descriptor::DescriptorType,
    flight_service_server::FlightService,
    sql::{Any, Command},
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    auth::Caller,
    handlers::{action, handshake, ingest, metadata, prepared, statement},
    metrics::RowCount,
    service::Service,
    status,
    upload::Upload,
    wire,
};

type Answer<T> = Result<Response<T>, Status>;
type Items<T> = BoxStream<'static, Result<T, Status>>;

/// Dispatches calls.
#[derive(Debug, Clone)]
pub(crate) struct Router(Arc<Service>);

impl Router {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self(service)
    }
}

#[tonic::async_trait]
impl FlightService for Router {
    type HandshakeStream = Items<HandshakeResponse>;
    type ListFlightsStream = Items<FlightInfo>;
    type DoGetStream = Items<FlightData>;
    type DoPutStream = Items<PutResult>;
    type DoExchangeStream = Items<FlightData>;
    type DoActionStream = Items<arrow_flight::Result>;
    type ListActionsStream = Items<ActionType>;

    async fn handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Answer<Self::HandshakeStream> {
        // clients send one message, none, or wait for the answer first: none is read
        handshake::answer(&self.0, &caller(&request)?)
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        let (caller, descriptor) = (caller(&request)?, request.into_inner());
        let service = &self.0;
        let info = match command(&descriptor)? {
            Command::CommandStatementQuery(command) => statement::info(service, &caller, command, descriptor).await,
            Command::CommandPreparedStatementQuery(command) => {
                prepared::info(service, &caller, &command, descriptor).await
            }
            Command::CommandStatementSubstraitPlan(_) => Err(no_substrait()),
            command => metadata::info(service, &caller, command, descriptor).await,
        };
        info.map(Response::new)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        let (caller, descriptor) = (caller(&request)?, request.into_inner());
        let service = &self.0;
        let schema = match command(&descriptor)? {
            Command::CommandStatementQuery(command) => statement::schema(service, &caller, command).await,
            Command::CommandPreparedStatementQuery(command) => prepared::schema(service, &caller, &command),
            Command::CommandStatementSubstraitPlan(_) => Err(no_substrait()),
            command => metadata::schema(service, &command).ok_or_else(|| no_such_command(&command, "GetSchema")),
        }?;
        let schema = wire::encode_schema(&schema).map_err(status::internal)?;
        Ok(Response::new(SchemaResult { schema }))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let caller = caller(&request)?;
        let rows = RowCount::default();
        let stream = match unpack(request.into_inner().ticket, "the ticket")? {
            Command::TicketStatementQuery(ticket) => {
                statement::rows(&self.0, &caller, &ticket.statement_handle, rows.clone())?
            }
            command => metadata::rows(&self.0, &caller, command, rows.clone()).await?,
        };
        let mut response = Response::new(stream);
        response.extensions_mut().insert(rows);
        Ok(response)
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        let (caller, service) = (caller(&request)?, &self.0);
        let place = service.upload_place().await?;
        let (descriptor, upload) = Upload::begin(place, &service.limits, request.into_inner()).await?;
        let result = match command(&descriptor)? {
            Command::CommandStatementUpdate(command) => {
                drop(upload);
                statement::update(service, &caller, command).await?
            }
            Command::CommandStatementIngest(command) => ingest::ingest(service, &caller, command, upload).await?,
            Command::CommandPreparedStatementQuery(command) => {
                prepared::bind(service, &caller, &command, upload).await?
            }
            Command::CommandPreparedStatementUpdate(command) => {
                prepared::update(service, &caller, &command, upload).await?
            }
            Command::CommandStatementSubstraitPlan(_) => return Err(no_substrait()),
            command => return Err(no_such_command(&command, "DoPut")),
        };
        let result = PutResult { app_metadata: result };
        Ok(Response::new(futures::stream::iter([Ok(result)]).boxed()))
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let caller = caller(&request)?;
        let bodies = action::perform(&self.0, &caller, request.into_inner()).await?;
        let results = bodies.into_iter().map(|body| Ok(arrow_flight::Result { body }));
        Ok(Response::new(
            futures::stream::iter(results.collect::<Vec<_>>()).boxed(),
        ))
    }

    async fn list_actions(&self, request: Request<Empty>) -> Answer<Self::ListActionsStream> {
        caller(&request)?;
        Ok(Response::new(
            futures::stream::iter(action::list().into_iter().map(Ok)).boxed(),
        ))
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        caller(&request)?;
        Err(Status::unimplemented(
            "ListFlights is not offered, list tables with CommandGetTables",
        ))
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<PollInfo> {
        caller(&request)?;
        Err(Status::unimplemented(
            "PollFlightInfo is not offered, use GetFlightInfo",
        ))
    }

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoExchangeStream> {
        caller(&request)?;
        Err(Status::unimplemented("DoExchange is not offered, use DoGet and DoPut"))
    }
}

/// The caller whom the guard has established. A call without one did not pass the guard and is refused.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| Status::unauthenticated("authentication required"))
}

fn command(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if descriptor.r#type() != DescriptorType::Cmd {
        return Err(Status::invalid_argument(
            "the descriptor must be a Flight SQL command, not a path",
        ));
    }
    unpack(descriptor.cmd.clone(), "the command")
}

fn unpack(bytes: Bytes, what: &str) -> Result<Command, Status> {
    let any = Any::decode(bytes).map_err(status::malformed(what))?;
    let url = any.type_url.clone();
    Command::try_from(any).map_err(|error| Status::invalid_argument(format!("{what} of type {url:?}: {error}")))
}

/// The answer to a command that the call does not take.
pub(crate) fn no_such_command(command: &Command, call: &str) -> Status {
    match command {
        Command::Unknown(any) => Status::unimplemented(format!("{:?} is no command of Flight SQL", any.type_url)),
        known => Status::invalid_argument(format!("{call} does not take {}", known.type_url())),
    }
}

fn no_substrait() -> Status {
    Status::unimplemented("substrait plans are not supported, send SQL")
}
