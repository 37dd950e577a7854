//! The fuzz targets without a fuzzer: every committed seed, and mutations of it that are the same in every run.

use std::path::Path;

/// Mutations of one seed. `TELLEE_FUZZ_MUTATIONS` sets another number.
const MUTATIONS: u32 = 400;

struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(input.len() + 1);
            match self.below(6) {
                0 if place < input.len() => input[place] ^= 1 << self.below(8),
                1 if place < input.len() => input[place] = self.below(256) as u8,
                2 => input.insert(place, self.below(256) as u8),
                3 if place < input.len() => {
                    input.remove(place);
                }
                4 => input.truncate(place),
                _ => {
                    let end = (place + self.below(16)).min(input.len());
                    let piece = input[place..end].to_vec();
                    let at = self.below(input.len() + 1);
                    input.splice(at..at, piece);
                }
            }
        }
    }
}

fn hold(target: &str, check: fn(&[u8])) {
    let mutations = std::env::var("TELLEE_FUZZ_MUTATIONS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(MUTATIONS);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(&folder)
        .expect("the target has seeds")
        .map(|entry| entry.expect("readable").path())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    for (number, path) in seeds.iter().enumerate() {
        let seed = std::fs::read(path).expect("readable");
        check(&seed);
        let mut random = Xorshift(0x9e37_79b9_7f4a_7c15 ^ number as u64);
        for _ in 0..mutations {
            let mut input = seed.clone();
            random.mutate(&mut input);
            check(&input);
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() { hold(stringify!($name), tellee_fuzz::$name); }
    )* };
}

targets! { senml_json senml_cbor plain_json }
#[cfg(feature = "mqtt")]
targets! { line_protocol mqtt_packets mqtt_server }
