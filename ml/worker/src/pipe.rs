//! Frames from stdin and to stdout.

use std::io::{self, Read, Write};
use std::process;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use tellee_ml::protocol::{Decoder, Frame, FrameLimits, Reply, Request, encode};

/// How many requests may wait; beyond that the pipe itself holds the server back.
const WAITING_REQUESTS: usize = 8;

/// A request with what came with it.
#[derive(Debug)]
pub struct Incoming {
    pub request: Request,
    pub payload: Vec<f32>,
    pub arrived: Instant,
}

/// Reads requests in a thread of its own, so that the end of stdin (the server is gone) is noticed during long work: it
/// ends the process. So do bytes that are no frame: the stream cannot be trusted after them.
pub fn read_requests() -> Receiver<Incoming> {
    let (sender, receiver) = sync_channel(WAITING_REQUESTS);
    thread::spawn(move || {
        let code = match read_until_end(&sender) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("tellee-ml-worker: {error}");
                3
            }
        };
        process::exit(code);
    });
    receiver
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
            if sender
                .send(Incoming {
                    request,
                    payload,
                    arrived: Instant::now(),
                })
                .is_err()
            {
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
