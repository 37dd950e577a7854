//! Open files: connections and stores share one limit of the system, so connections leave some to the stores.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Kept for the stores, the log, and a connection that is about to be refused.
const RESERVE: u64 = 512;

/// Connections that may be open at the same time: of each HTTP port, and of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seats {
    pub http: u32,
    pub mqtt: u32,
}

/// Raises the soft limit of open files to the hard one. The limit that holds then; none, if there is none.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            limit.current
        }
    }
}

/// As many connections as configured, or as the limit of open files allows: then each protocol has its share.
pub fn seats(config: &Config, limit: Option<u64>) -> Seats {
    let configured = Seats {
        http: config.http.max_connections,
        mqtt: config.mqtt.max_connections,
    };
    let Some(limit) = limit else {
        return configured;
    };
    let http_ports = if config.http.tls.listen.0.is_some() {
        2
    } else {
        1
    };
    let wanted = u64::from(configured.http) * http_ports + u64::from(configured.mqtt);
    let room = limit - RESERVE.min(limit / 2);
    if wanted <= room {
        return configured;
    }
    let share = |connections: u32| {
        let share = u128::from(connections) * u128::from(room) / u128::from(wanted);
        u32::try_from(share).unwrap_or(connections).max(1)
    };
    let seats = Seats {
        http: share(configured.http),
        mqtt: share(configured.mqtt),
    };
    tracing::warn!(
        limit,
        http = seats.http,
        mqtt = seats.mqtt,
        "the limit of open files holds fewer connections than `http.max_connections` and `mqtt.max_connections` allow; raise it (`ulimit -Hn`, `LimitNOFILE`)"
    );
    seats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_the_stores() {
        let config = Config::default();
        let configured = Seats {
            http: 10_000,
            mqtt: 50_000,
        };
        assert_eq!(seats(&config, None), configured);
        assert_eq!(seats(&config, Some(60_512)), configured);
        let scarce = seats(&config, Some(60_511));
        assert!(scarce.http + scarce.mqtt <= 59_999, "{scarce:?}");
        assert_eq!(
            seats(&config, Some(1_024)),
            Seats {
                http: 85,
                mqtt: 426
            }
        );
        assert_eq!(seats(&config, Some(4)), Seats { http: 1, mqtt: 1 });
    }

    #[test]
    fn a_second_http_port_has_its_share_too() {
        let mut config = Config::default();
        config.http.tls.listen.0 = Some(([127, 0, 0, 1], 8443).into());
        let scarce = seats(&config, Some(1_024));
        assert_eq!(
            scarce,
            Seats {
                http: 73,
                mqtt: 365
            }
        );
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current, now.maximum), (limit, limit));
    }
}
