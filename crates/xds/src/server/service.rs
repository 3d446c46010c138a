//! The gRPC methods, by hand: what a code generator would write for two services of two methods each.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::method::{ADS, SECRETS};
use crate::proto::{DeltaDiscoveryRequest, DiscoveryRequest};

use super::serve::Hub;
use super::session::{self, Speech};

/// The list of extensions alone makes Envoy's first request 60 KB; names of 10,000 services are a few MB.
const LARGEST_REQUEST: usize = 64 << 20;

/// The service, as the HTTP/2 server calls it.
#[derive(Clone, Debug)]
pub(super) struct Ads(pub(super) Arc<Hub>);

/// One method of it.
struct Method(Arc<Hub>);

impl<S: Speech> StreamingService<S> for Method {
    type Response = S::Response;
    type ResponseStream = ReceiverStream<Result<S::Response, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<S>>) -> Self::Future {
        ready(Ok(tonic::Response::new(session::open(self.0.clone(), request.into_inner()))))
    }
}

impl Service<Request<Body>> for Ads {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = Method(self.0.clone());
        let path = request.uri().path();
        if [ADS.sotw, SECRETS.sotw].contains(&path) {
            return Box::pin(async move {
                let codec = ProstCodec::<<DiscoveryRequest as Speech>::Response, DiscoveryRequest>::default();
                let mut grpc = Grpc::new(codec).max_decoding_message_size(LARGEST_REQUEST);
                Ok(grpc.streaming(method, request).await)
            });
        }
        if [ADS.delta, SECRETS.delta].contains(&path) {
            return Box::pin(async move {
                let codec = ProstCodec::<<DeltaDiscoveryRequest as Speech>::Response, DeltaDiscoveryRequest>::default();
                let mut grpc = Grpc::new(codec).max_decoding_message_size(LARGEST_REQUEST);
                Ok(grpc.streaming(method, request).await)
            });
        }
        Box::pin(ready(Ok(Status::new(Code::Unimplemented, "only aggregated discovery is served").into_http())))
    }
}
