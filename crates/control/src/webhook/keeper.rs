//! Keeps the certificate young, and the cluster's trust in it true.
//!
//! A new certificate is served only after every API server has had time to hear of its authority; the old authority goes
//! only after that. Where the configuration cannot be written, the old certificate is served on: the new one would be
//! trusted by nobody.

use super::Settings;
use super::configuration::Configuration;
use super::identity::{Identity, IdentityError, Shown};
use crate::telling::{Telling, Weight};
use ::kube::Client;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub(super) struct Keeper {
    settings: Settings,
    configuration: Configuration,
    shown: Arc<Shown>,
    current: Identity,
    /// The one that comes next, and since when its authority has been trusted.
    next: Option<(Identity, Option<Instant>)>,
    /// Authorities of former certificates, and since when these have not been served.
    former: Vec<(String, Instant)>,
    trouble: Telling,
}

impl Keeper {
    pub(super) fn new(settings: Settings, client: Client) -> Result<Self, IdentityError> {
        let current = Identity::new(&settings.names, settings.life, SystemTime::now())?;
        let configuration = Configuration { client, name: settings.configuration.clone() };
        let shown = Arc::new(Shown::new(&current));
        let trouble = Telling::default();
        Ok(Self { settings, configuration, shown, current, next: None, former: Vec::new(), trouble })
    }

    /// What is served.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// Looks again and again.
    pub(super) async fn run(mut self) -> Result<(), IdentityError> {
        loop {
            self.look().await?;
            tokio::time::sleep(self.settings.pause).await;
        }
    }

    async fn look(&mut self) -> Result<(), IdentityError> {
        if self.next.is_none() && self.current.is_due(SystemTime::now()) {
            let next = Identity::new(&self.settings.names, self.settings.life, SystemTime::now())?;
            tracing::info!("the webhook's certificate is made anew");
            self.next = Some((next, None));
        }
        let ours: Vec<&str> = self.next.iter().map(|(next, _)| next).chain([&self.current]).map(authority).collect();
        let grace = self.settings.grace;
        let is_over = |(_, since): &&(String, Instant)| since.elapsed() >= grace;
        let retired: Vec<String> = self.former.iter().filter(is_over).map(|(pem, _)| pem.clone()).collect();
        let trusted = self.configuration.trust(&ours, &retired).await;
        match &trusted {
            Ok(true) => tracing::info!(configuration = self.configuration.name, "the webhook's authority was written"),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "the webhook's configuration cannot be kept"),
        }
        let line = |error: &dyn std::fmt::Display| (Weight::Warning, format!("the admission webhook: {error}"));
        self.trouble.now(trusted.as_ref().err().map(|error| line(error)));
        if trusted.is_ok() {
            self.advance();
        }
        Ok(())
    }

    /// The next certificate is served once its authority has been trusted for long enough.
    fn advance(&mut self) {
        let grace = self.settings.grace;
        match self.next.take() {
            Some((next, Some(since))) if since.elapsed() >= grace => {
                self.shown.set(&next);
                let former = std::mem::replace(&mut self.current, next);
                self.former.push((former.authority, Instant::now()));
                tracing::info!("the webhook's new certificate is served");
            }
            Some((next, since)) => self.next = Some((next, Some(since.unwrap_or_else(Instant::now)))),
            None => {}
        }
        // Long gone from every bundle.
        self.former.retain(|(_, since)| since.elapsed() < grace * 10);
    }
}

fn authority(identity: &Identity) -> &str {
    &identity.authority
}
