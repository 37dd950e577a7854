//! A centrifugal pump between two tanks, driven by a motor: close enough to the physics that faults show where they
//! would on a real one.

use super::fault::{FaultKind, FaultSpec, FaultState};
use super::noise::Noise;
use super::registers::Registers;

/// 1/min.
const NOMINAL_SPEED: f64 = 2950.0;
/// Head at no flow and nominal speed, m.
const SHUT_OFF_HEAD: f64 = 62.0;
/// Flow of best efficiency, m³/h.
const BEST_FLOW: f64 = 120.0;
/// Curve of the pump: head falls from 62 m to 50 m at best flow.
const PUMP_CURVE: f64 = 12.0 / (BEST_FLOW * BEST_FLOW);
/// Geodetic head of the plant, m.
const STATIC_HEAD: f64 = 10.0;
/// Friction of the plant with an open valve: 40 m at best flow.
const PLANT_CURVE: f64 = 40.0 / (BEST_FLOW * BEST_FLOW);
const BEST_EFFICIENCY: f64 = 0.78;
const MOTOR_EFFICIENCY: f64 = 0.93;
/// √3 × 400 V × cos φ, in kW per A.
const KILOWATTS_PER_AMPERE: f64 = 1.732 * 0.4 * 0.87;
/// ρ × g, in bar per m of water.
const BAR_PER_METRE: f64 = 0.0981;
const AMBIENT: f64 = 24.0;
const LIQUID: f64 = 32.0;
/// Seconds in which a bearing's temperature does most of its way.
const BEARING_TIME: f64 = 60.0;
const CASING_TIME: f64 = 90.0;
const RUN_UP_TIME: f64 = 3.0;
/// Longest step of integration, s.
const MAX_STEP: f64 = 0.5;
/// More than this at once is passed over, so that a pause of the process costs no minutes of computing.
const MAX_CATCH_UP: f64 = 3600.0;

pub(crate) const COIL_RUN: u16 = 0;
pub(crate) const COIL_FAULT: u16 = 10;
pub(crate) const HOLDING_SPEED: u16 = 0;
pub(crate) const HOLDING_VALVE: u16 = 1;
pub(crate) const HOLDING_SEVERITY: u16 = 10;
pub(crate) const HOLDING_RAMP: u16 = 20;
pub(crate) const DISCRETE_RUNNING: u16 = 0;
pub(crate) const INPUT_SEVERITY: u16 = 100;
pub(crate) const INPUT_SECONDS: u16 = 110;

/// In the order of the input registers, two each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Signals {
    pub(crate) values: [f64; 13],
}

pub(crate) struct Pump {
    noise: Noise,
    seconds: f64,
    speed: f64,
    bearing_de: f64,
    bearing_nde: f64,
    casing: f64,
    faults: [FaultState; 4],
    /// What the fault coils said last, to notice edges.
    commanded: [bool; 4],
    /// The reading of a stuck sensor.
    stuck: Option<f64>,
    signals: Signals,
}

impl Pump {
    pub(crate) fn new(seed: u64, planned: &[FaultSpec]) -> Self {
        let mut faults = [FaultState::NONE; 4];
        for spec in planned {
            faults[spec.kind as usize] = FaultState::planned(spec);
        }
        Self {
            noise: Noise::new(seed),
            seconds: 0.0,
            // It has been running for long, so that the first hour needs no warming up.
            speed: NOMINAL_SPEED,
            bearing_de: 58.0,
            bearing_nde: 54.0,
            casing: 36.0,
            faults,
            commanded: [false; 4],
            stuck: None,
            signals: Signals { values: [0.0; 13] },
        }
    }

    /// The control block as it is at the start.
    pub(crate) fn prepare(&self, registers: &mut Registers) {
        registers.coils.insert(COIL_RUN, true);
        registers
            .holding
            .insert(HOLDING_SPEED, NOMINAL_SPEED as u16);
        registers.holding.insert(HOLDING_VALVE, 100);
        registers.holding.insert(HOLDING_RAMP, 120);
        for (offset, _) in (0..).zip(FaultKind::ALL) {
            registers.coils.insert(COIL_FAULT + offset, false);
            registers.holding.insert(HOLDING_SEVERITY + offset, 1000);
        }
    }

    pub(crate) fn advance_to(&mut self, seconds: f64, registers: &Registers) {
        self.take_commands(registers);
        if seconds - self.seconds > MAX_CATCH_UP {
            self.seconds = seconds - MAX_CATCH_UP;
        }
        while self.seconds < seconds {
            let step = (seconds - self.seconds).min(MAX_STEP);
            self.seconds += step;
            self.step(step, registers);
        }
        if seconds == 0.0 {
            self.step(0.0, registers);
        }
    }

    fn take_commands(&mut self, registers: &Registers) {
        let ramp = f64::from(registers.holding.get(&HOLDING_RAMP).copied().unwrap_or(120)).max(1.0);
        for (offset, (fault, commanded)) in
            (0..).zip(self.faults.iter_mut().zip(&mut self.commanded))
        {
            let now = registers
                .coils
                .get(&(COIL_FAULT + offset))
                .copied()
                .unwrap_or(false);
            if now == *commanded {
                continue;
            }
            *commanded = now;
            let severity = registers
                .holding
                .get(&(HOLDING_SEVERITY + offset))
                .copied()
                .unwrap_or(1000)
                .min(1000);
            if now {
                fault.inject(self.seconds, f64::from(severity) / 1000.0, ramp);
            } else {
                fault.clear();
            }
        }
    }

    fn severity(&self, kind: FaultKind) -> f64 {
        self.faults[kind as usize].at(self.seconds)
    }

    fn step(&mut self, step: f64, registers: &Registers) {
        let running = registers.coils.get(&COIL_RUN).copied().unwrap_or(true);
        let wear = self.severity(FaultKind::BearingWear);
        let cavitation = self.severity(FaultKind::Cavitation);
        let closing = self.severity(FaultKind::ValveClosing);

        // Demand swings over minutes, as in a plant that works in batches.
        let demand = 0.93 + 0.05 * (self.seconds / 47.0).sin() + 0.02 * (self.seconds / 11.0).sin();
        let setpoint =
            f64::from(registers.holding.get(&HOLDING_SPEED).copied().unwrap_or(0)).min(3600.0);
        let target = if running { setpoint } else { 0.0 };
        self.speed = approach(self.speed, target, step, RUN_UP_TIME);
        let ratio = self.speed / NOMINAL_SPEED;
        let commanded_valve = f64::from(
            registers
                .holding
                .get(&HOLDING_VALVE)
                .copied()
                .unwrap_or(100)
                .min(100),
        ) / 100.0;
        let valve = (commanded_valve * demand * (1.0 - 0.85 * closing)).max(0.02);

        let shut_off = SHUT_OFF_HEAD * ratio * ratio * (1.0 - 0.12 * cavitation);
        let excess = (shut_off - STATIC_HEAD).max(0.0);
        let mean_flow = (excess / (PUMP_CURVE + PLANT_CURVE / (valve * valve))).sqrt();
        let flow = (mean_flow * (1.0 + self.noise.normal(0.004 + 0.04 * cavitation))).max(0.0);
        let head = (shut_off - PUMP_CURVE * flow * flow
            + self.noise.normal(0.15 + 1.5 * cavitation))
        .max(0.0);
        let suction =
            1.35 - 0.25 * (flow / BEST_FLOW).powi(2) - 0.75 * cavitation + self.noise.normal(0.01);
        let discharge = suction + head * BAR_PER_METRE + self.noise.normal(0.01);

        let off_best = flow / BEST_FLOW - 1.0;
        let efficiency =
            (BEST_EFFICIENCY * (1.0 - 0.55 * off_best * off_best) * (1.0 - 0.15 * cavitation))
                .max(0.25);
        let hydraulic = 9.81 * head * flow / 3600.0;
        let idle = 2.2 * ratio.powi(3);
        let power = (idle + hydraulic / efficiency / MOTOR_EFFICIENCY) * (1.0 + 0.05 * wear);
        let current = if self.speed < 10.0 {
            0.0
        } else {
            9.0 + power / KILOWATTS_PER_AMPERE
        };

        let friction = ratio * (18.0 + 0.45 * power);
        self.bearing_de = approach(
            self.bearing_de,
            AMBIENT + friction + 4.0 * ratio + 42.0 * wear * ratio,
            step,
            BEARING_TIME,
        );
        self.bearing_nde = approach(
            self.bearing_nde,
            AMBIENT + friction + 7.0 * wear * ratio,
            step,
            BEARING_TIME,
        );
        let throttling = (1.0 - flow / BEST_FLOW).max(0.0);
        self.casing = approach(
            self.casing,
            LIQUID + ratio * (4.0 + 22.0 * throttling * throttling),
            step,
            CASING_TIME,
        );

        let rough = ratio * (1.1 + 2.6 * off_best * off_best);
        let vibration_de = rough + ratio * (6.4 * wear + 3.2 * cavitation);
        let vibration_nde = 0.8 * rough + ratio * (1.4 * wear + 3.6 * cavitation);
        let spread = ratio * (0.05 + 0.25 * wear + 0.6 * cavitation);

        let bearing_reading = self.bearing_de + self.noise.normal(0.1);
        let bearing_reading = if self.severity(FaultKind::SensorStuck) > 0.0 {
            *self.stuck.get_or_insert(bearing_reading)
        } else {
            self.stuck = None;
            bearing_reading
        };
        let nde_reading = self.bearing_nde + self.noise.normal(0.1);
        self.signals.values = [
            (self.speed + self.noise.normal(1.5 * ratio)).max(0.0),
            flow,
            suction,
            discharge,
            head,
            (current + self.noise.normal(0.2 * ratio)).max(0.0),
            (power + self.noise.normal(0.1 * ratio)).max(0.0),
            bearing_reading,
            nde_reading,
            (vibration_de + self.noise.normal(spread)).max(0.0),
            (vibration_nde + self.noise.normal(spread)).max(0.0),
            self.casing + self.noise.normal(0.1),
            valve * 100.0,
        ];
    }

    pub(crate) fn write_to(&self, registers: &mut Registers) {
        for (index, value) in (0..).zip(self.signals.values) {
            registers.set_input_f32(index * 2, value);
        }
        for (offset, fault) in (0..).zip(&self.faults) {
            registers.input.insert(
                INPUT_SEVERITY + offset,
                (fault.at(self.seconds) * 1000.0).round() as u16,
            );
        }
        registers.set_input_u32(INPUT_SECONDS, self.seconds as u32);
        registers
            .discrete
            .insert(DISCRETE_RUNNING, self.speed > 10.0);
    }
}

/// A first-order lag.
fn approach(value: f64, target: f64, step: f64, time: f64) -> f64 {
    target + (value - target) * (-step / time).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: usize = 1;
    const SUCTION: usize = 2;
    const BEARING_DE: usize = 7;
    const VIBRATION_DE: usize = 9;
    const VIBRATION_NDE: usize = 10;

    fn prepared(faults: &[&str]) -> (Pump, Registers) {
        let planned: Vec<FaultSpec> = faults.iter().map(|text| text.parse().unwrap()).collect();
        let pump = Pump::new(1, &planned);
        let mut registers = Registers::default();
        pump.prepare(&mut registers);
        (pump, registers)
    }

    fn after(faults: &[&str], seconds: f64) -> [f64; 13] {
        let (mut pump, registers) = prepared(faults);
        pump.advance_to(seconds, &registers);
        pump.signals.values
    }

    #[test]
    fn a_healthy_pump_stays_within_its_alarm_limits_for_an_hour() {
        let tags = super::super::tags::pump_tags();
        let (mut pump, registers) = prepared(&[]);
        for second in 0..3600 {
            pump.advance_to(f64::from(second), &registers);
            for (tag, value) in tags.iter().zip(pump.signals.values) {
                assert!(
                    value >= tag.low && value <= tag.high,
                    "{} = {value} at {second} s",
                    tag.name
                );
                for alarm in &tag.alarms {
                    assert!(
                        !alarm.is_beyond(value),
                        "{} = {value} at {second} s",
                        tag.name
                    );
                }
            }
        }
    }

    #[test]
    fn each_fault_shows_where_it_would_on_a_real_pump() {
        let healthy = after(&[], 400.0);
        let worn = after(&["bearing-wear@0s,ramp=60s"], 400.0);
        assert!(worn[BEARING_DE] > healthy[BEARING_DE] + 25.0);
        assert!(worn[VIBRATION_DE] > 7.1 && worn[VIBRATION_NDE] < 4.5);
        let cavitating = after(&["cavitation@0s,ramp=60s"], 400.0);
        assert!(cavitating[SUCTION] < healthy[SUCTION] - 0.5);
        let throttled = after(&["valve-closing@0s,ramp=60s"], 400.0);
        assert!(throttled[FLOW] < healthy[FLOW] / 2.0);
    }

    #[test]
    fn a_stuck_sensor_repeats_itself_while_the_bearing_gets_hot() {
        let (mut pump, registers) =
            prepared(&["sensor-stuck@10s,ramp=1s", "bearing-wear@20s,ramp=10s"]);
        pump.advance_to(15.0, &registers);
        let stuck = pump.signals.values[BEARING_DE];
        pump.advance_to(300.0, &registers);
        assert_eq!(pump.signals.values[BEARING_DE], stuck);
        assert!(pump.bearing_de > stuck + 20.0);
    }

    #[test]
    fn the_control_block_injects_and_clears_faults() {
        let (mut pump, mut registers) = prepared(&[]);
        registers.holding.insert(HOLDING_RAMP, 10);
        registers.holding.insert(HOLDING_SEVERITY, 500);
        registers.coils.insert(COIL_FAULT, true);
        pump.advance_to(1.0, &registers);
        pump.advance_to(60.0, &registers);
        assert_eq!(pump.severity(FaultKind::BearingWear), 0.5);
        registers.coils.insert(COIL_FAULT, false);
        pump.advance_to(61.0, &registers);
        assert_eq!(pump.severity(FaultKind::BearingWear), 0.0);
        registers.coils.insert(COIL_RUN, false);
        pump.advance_to(120.0, &registers);
        assert!(pump.speed < 1.0 && pump.signals.values[FLOW] < 1.0);
    }

    #[test]
    fn the_same_seed_plays_the_same_pump() {
        assert_eq!(
            after(&["cavitation@5s"], 100.0),
            after(&["cavitation@5s"], 100.0)
        );
    }
}
