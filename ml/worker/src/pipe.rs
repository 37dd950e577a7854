//! Frames from stdin and to stdout.

use std::io::{self, Read, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tellee_ml::protocol::{Decoder, Frame, FrameLimits, Reply, Request, encode};

/// How many requests may wait; beyond that the pipe itself holds the server back.
const WAITING_REQUESTS: usize = 8;
/// How long work may take to notice that nobody waits for it.
const LAST_MOMENTS: Duration = Duration::from_secs(10);

/// A request with what came with it.
#[derive(Debug)]
pub struct Incoming {
    pub request: Request,
    pub payload: Vec<f32>,
    pub arrived: Instant,
}

/// The requests of stdin.
pub struct Requests {
    pub incoming: Receiver<Incoming>,
    /// The server is gone, or what it says cannot be understood.
    pub ended: Arc<AtomicBool>,
    reader: JoinHandle<anyhow::Result<()>>,
}

impl Requests {
    /// Why there are no more: `Ok` at the end of stdin.
    pub fn end(self) -> anyhow::Result<()> {
        drop(self.incoming);
        self.reader.join().unwrap_or(Ok(()))
    }
}

/// Reads requests in a thread of its own, so that the end of stdin (the server is gone) is noticed during long work. Work
/// is asked to end, so that libtorch is not torn down under it; if it does not, the process ends all the same.
pub fn read_requests() -> Requests {
    let (sender, incoming) = sync_channel(WAITING_REQUESTS);
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    let reader = thread::spawn(move || {
        let result = read_until_end(&sender);
        told.store(true, Ordering::Relaxed);
        thread::spawn(|| {
            thread::sleep(LAST_MOMENTS);
            process::exit(4);
        });
        result
    });
    Requests {
        incoming,
        ended,
        reader,
    }
}

fn read_until_end(sender: &SyncSender<Incoming>) -> anyhow::Result<()> {
    let mut input = io::stdin().lock();
    let mut decoder = Decoder::new(FrameLimits::default());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        decoder.feed(&buffer[..count]);
        while let Some(frame) = decoder.next_frame()? {
            let request = frame.parse::<Request>()?;
            let Frame { payload, .. } = frame;
            let arrived = Instant::now();
            let incoming = Incoming {
                request,
                payload,
                arrived,
            };
            if sender.send(incoming).is_err() {
                return Ok(());
            }
        }
    }
}

pub fn write_reply(output: &mut impl Write, reply: &Reply, payload: &[f32]) -> anyhow::Result<()> {
    output.write_all(&encode(reply, payload, &FrameLimits::default())?)?;
    output.flush()?;
    Ok(())
}
