//! The ports for operators, opened before the data is touched and joined with it later.

use crate::{
    config,
    server::{
        ServerError,
        operators::{AdminDesk, Exporter, Http, HttpPort, HttpThread, Ports, Site, TraceMask},
        threads::thread,
    },
    tls::Certificates,
};
use std::{sync::Arc, thread::JoinHandle};

/// See the module.
pub(super) struct Operators {
    /// What is told when the data is loaded.
    pub(super) sites: Vec<Site>,
    /// Keys and certificates of the ports.
    pub(super) certificates: Vec<Arc<dyn Certificates>>,
    /// The thread that answers; `None`: no port is configured.
    pub(super) http: Option<(Http, JoinHandle<()>)>,
}

impl Operators {
    /// Binds the ports, and answers from now on.
    ///
    /// # Errors
    /// The setting that cannot be honoured.
    pub(super) fn open(
        config: &config::Operator,
        ports: Ports,
        trace_mask: &TraceMask,
    ) -> Result<Self, ServerError> {
        let (mut sites, mut open) = (Vec::new(), Vec::new());
        if let Some(admin) = &config.admin {
            let desk = AdminDesk::new(admin.clone(), config.written.clone(), ports, trace_mask.clone());
            let site = Site::Admin(Arc::new(desk));
            open.push(HttpPort::admin(admin, site.clone())?);
            sites.push(site);
        }
        if let Some(exporter) = &config.exporter {
            let site = Site::Metrics(Arc::new(Exporter::new(exporter.shows_process)));
            for port in &exporter.ports {
                open.push(HttpPort::exporter(exporter.address.as_deref(), port, site.clone())?);
            }
            sites.push(site);
        }
        let certificates = open.iter().filter_map(HttpPort::certificates).collect();
        if open.is_empty() {
            return Ok(Self { sites, certificates, http: None });
        }
        let (http, answers) = HttpThread::new(open)?;
        let thread = thread("admin", move || answers.run())?;
        Ok(Self { sites, certificates, http: Some((http, thread)) })
    }
}
