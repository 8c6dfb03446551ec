//! Publishes events again that the log still has, as the relay would: each bus gets what its rules send there.

use relais_model::Event;

use crate::gateway::Gateway;

impl Gateway {
    /// The names of the buses that events are taken to.
    pub fn bus_names(&self) -> Vec<String> {
        self.routes.buses.iter().map(|bus| bus.name().to_owned()).collect()
    }

    /// Publishes events to a bus, with the ids that they have; says how many of them go there.
    pub async fn publish_again(&self, bus: &str, events: Vec<Event>) -> Result<u64, s3s::StdError> {
        let Some(publisher) = self.routes.buses.iter().find(|one| one.name() == bus) else { return Ok(0) };
        let notices = self.notices(bus, events).await?;
        if !notices.is_empty() {
            publisher.publish(&notices).await?;
        }
        Ok(notices.len() as u64)
    }
}
