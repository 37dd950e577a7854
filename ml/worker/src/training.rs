//! Trains an auto-encoder on healthy rows and writes its artifact.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tch::nn::{self, OptimizerConfig};
use tch::{Device, Reduction, TchError, Tensor};
use tellee_ml::artifact::{self, MANIFEST_FORMAT, Manifest, SCORE_LIMIT};
use tellee_ml::protocol::{
    Failure, FailureCode, MAX_SIGNALS, MAX_TRAINING_VALUES, MAX_WINDOW, MAX_WINDOW_VALUES,
    TrainReport, TrainSpec,
};

use crate::dataset::{self, standardise, windows};
use crate::deadline::Deadline;
use crate::failure::{artifact_failure, runtime_failure};
use crate::network::Autoencoder;
use crate::random::Random;
use crate::scoring::{quantile, relative_errors, signal_errors, window_error};

/// The fewest windows to learn from, and the fewest to calibrate with.
const MIN_WINDOWS: usize = 16;
/// A signal that is reconstructed perfectly in health gets this error, so that nothing is divided by 0.
const MIN_HEALTHY_ERROR: f64 = 1e-4;
/// Windows in one pass outside of training.
const EVALUATION_BATCH: usize = 256;

/// Trains on `rows` (rows × signals) and writes the artifact into `folder`.
pub fn train(
    spec: &TrainSpec,
    rows: &[f32],
    folder: &Path,
    deadline: &Deadline,
) -> Result<TrainReport, Failure> {
    check(spec, rows)?;
    let signals = spec.signals.len();
    let window = spec.window as usize;
    let split = split_row(rows.len() / signals, spec.held_out_share) * signals;
    let (fitted_rows, held_out_rows) = rows.split_at(split);

    let scaling = dataset::fit(rows, signals, window)?;
    let limit = MAX_TRAINING_VALUES / (signals * window);
    let fitted = windows(fitted_rows, signals, window, limit);
    let held_out = windows(held_out_rows, signals, window, limit);
    if fitted.len() < MIN_WINDOWS || held_out.len() < MIN_WINDOWS {
        return Err(Failure {
            code: FailureCode::Unsuitable,
            message: format!(
                "the healthy window has {} complete windows to learn from and {} to calibrate with; \
                 at least {MIN_WINDOWS} of each are needed",
                fitted.len(),
                held_out.len()
            ),
        });
    }

    let standardised = |windows: &[&[f32]]| {
        let mut values = Vec::with_capacity(windows.len() * window * signals);
        windows
            .iter()
            .for_each(|window| standardise(window, &scaling, &mut values));
        values
    };
    let (fitted, held_out) = (standardised(&fitted), standardised(&held_out));
    let fit = fit(spec, &fitted, &held_out, deadline)?;

    let fitted_errors = errors(&fit.network, &fitted, signals, window)?;
    let held_out_errors = errors(&fit.network, &held_out, signals, window)?;
    let healthy_error = healthy_errors(&fitted_errors, &held_out_errors, signals);
    let relative: Vec<f64> = held_out_errors
        .iter()
        .map(|errors| window_error(&relative_errors(errors, &healthy_error)))
        .collect();
    let error_limit = quantile(&relative, spec.limit_quantile) * spec.limit_margin;
    if !(error_limit.is_finite() && error_limit > 0.0) {
        return Err(Failure {
            code: FailureCode::Unsuitable,
            message: "nothing in the healthy window moves: there is nothing to learn".to_owned(),
        });
    }

    fs::create_dir_all(folder).map_err(|source| {
        artifact_failure(&artifact::ArtifactError::Write {
            path: folder.to_owned(),
            source,
        })
    })?;
    fit.network
        .export(&artifact::graph_path(folder))
        .map_err(runtime_failure)?;
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: crate::LIBTORCH_VERSION.to_owned(),
        graph_sha256: artifact::hash_graph(folder).map_err(|error| artifact_failure(&error))?,
        spec: spec.clone(),
        scaling,
        healthy_error,
        error_limit,
    };
    let hash =
        artifact::write_manifest(folder, &manifest).map_err(|error| artifact_failure(&error))?;

    let metrics = BTreeMap::from([
        ("epochs".to_owned(), f64::from(fit.epochs)),
        ("training_windows".to_owned(), fitted_errors.len() as f64),
        ("held_out_windows".to_owned(), held_out_errors.len() as f64),
        ("training_error".to_owned(), fit.training_error),
        ("held_out_error".to_owned(), fit.held_out_error),
        ("error_limit".to_owned(), error_limit),
        (
            "held_out_above_limit".to_owned(),
            relative
                .iter()
                .filter(|error| **error > error_limit)
                .count() as f64
                / relative.len() as f64,
        ),
    ]);
    Ok(TrainReport {
        artifact: hash,
        score_limit: SCORE_LIMIT,
        metrics,
    })
}

fn check(spec: &TrainSpec, rows: &[f32]) -> Result<(), Failure> {
    let invalid = |message: &str| {
        Err(Failure {
            code: FailureCode::Invalid,
            message: message.to_owned(),
        })
    };
    let signals = spec.signals.len();
    if signals == 0 || signals > MAX_SIGNALS as usize {
        return invalid("the number of signals is out of range");
    }
    if spec.window == 0 || spec.window > MAX_WINDOW {
        return invalid("the window is out of range");
    }
    if signals * spec.window as usize > MAX_WINDOW_VALUES {
        return invalid("a window has too many values");
    }
    if !rows.len().is_multiple_of(signals) {
        return invalid("the payload is no whole number of rows");
    }
    if rows.iter().any(|value| value.is_infinite()) {
        return invalid("a value is infinite");
    }
    let share = spec.held_out_share;
    if !(0.05..=0.5).contains(&share) {
        return invalid("`held_out_share` must be 0.05 to 0.5");
    }
    if spec.batch == 0 || spec.batch > 4_096 || spec.max_epochs == 0 || spec.max_epochs > 10_000 {
        return invalid("`batch` must be 1 to 4096, `max_epochs` 1 to 10000");
    }
    if spec.hidden > 1_024 || spec.bottleneck > 1_024 {
        return invalid("a layer must have at most 1024 units");
    }
    if !(spec.learning_rate > 0.0 && spec.learning_rate <= 1.0) {
        return invalid("`learning_rate` must be above 0, at most 1");
    }
    if !(0.5..=1.0).contains(&spec.limit_quantile) || !(1.0..=100.0).contains(&spec.limit_margin) {
        return invalid("`limit_quantile` must be 0.5 to 1, `limit_margin` 1 to 100");
    }
    Ok(())
}

fn split_row(rows: usize, held_out_share: f64) -> usize {
    let held_out = (rows as f64 * held_out_share).round() as usize;
    rows.saturating_sub(held_out)
}

/// Per signal: its mean error in health. The larger of both parts: what was learnt by heart says nothing of the noise.
fn healthy_errors(fitted: &[Vec<f64>], held_out: &[Vec<f64>], signals: usize) -> Vec<f64> {
    let mean = |errors: &[Vec<f64>], signal: usize| {
        errors
            .iter()
            .filter_map(|errors| errors.get(signal))
            .sum::<f64>()
            / errors.len().max(1) as f64
    };
    (0..signals)
        .map(|signal| {
            mean(fitted, signal)
                .max(mean(held_out, signal))
                .max(MIN_HEALTHY_ERROR)
        })
        .collect()
}

struct Fit {
    network: Autoencoder,
    epochs: u32,
    training_error: f64,
    held_out_error: f64,
}

/// Adam on the mean squared error until the held-out error has not become better for `patience` epochs; the best state is
/// kept. One thread and a seed: the same input gives the same weights bit for bit.
fn fit(
    spec: &TrainSpec,
    fitted: &[f32],
    held_out: &[f32],
    deadline: &Deadline,
) -> Result<Fit, Failure> {
    let inputs = spec.signals.len() * spec.window as usize;
    let count = fitted.len() / inputs;
    let (hidden, bottleneck) = layer_sizes(spec, inputs);
    let mut random = Random::seeded(spec.seed);
    let mut store = nn::VarStore::new(Device::Cpu);
    let mut build = || -> Result<_, TchError> {
        let network = Autoencoder::new(
            &store.root(),
            inputs as i64,
            hidden,
            bottleneck,
            &mut random,
        )?;
        let optimizer = nn::Adam::default().build(&store, spec.learning_rate)?;
        Ok((
            network,
            optimizer,
            tensor(fitted, inputs)?,
            tensor(held_out, inputs)?,
        ))
    };
    let (network, mut optimizer, fitted, held_out) = build().map_err(runtime_failure)?;
    let mut best = nn::VarStore::new(Device::Cpu);
    Autoencoder::new(
        &best.root(),
        inputs as i64,
        hidden,
        bottleneck,
        &mut Random::seeded(0),
    )
    .map_err(runtime_failure)?;

    let mut result = (0, f64::INFINITY, f64::INFINITY);
    let mut epochs = 0;
    for epoch in 1..=spec.max_epochs {
        let training_error = epoch_of_training(
            &network,
            &mut optimizer,
            &fitted,
            &random.order(count),
            spec.batch as usize,
            deadline,
        )?;
        let held_out_error = mean_squared_error(&network, &held_out).map_err(runtime_failure)?;
        epochs = epoch;
        if !held_out_error.is_finite() {
            break;
        }
        if held_out_error < result.2 {
            result = (epoch, training_error, held_out_error);
            best.copy(&store).map_err(runtime_failure)?;
        } else if epoch - result.0 >= spec.patience {
            break;
        }
    }
    if result.0 == 0 {
        return Err(Failure {
            code: FailureCode::Unsuitable,
            message: "training did not converge".to_owned(),
        });
    }
    store.copy(&best).map_err(runtime_failure)?;
    store.freeze();
    Ok(Fit {
        network,
        epochs,
        training_error: result.1,
        held_out_error: result.2,
    })
}

/// Where the spec leaves the choice: a bottleneck of a tenth of the window, and a hidden layer between.
fn layer_sizes(spec: &TrainSpec, inputs: usize) -> (i64, i64) {
    let inputs = inputs as i64;
    let bottleneck = if spec.bottleneck == 0 {
        (inputs / 10).clamp(2, 64)
    } else {
        i64::from(spec.bottleneck)
    };
    let hidden = if spec.hidden == 0 {
        (inputs / 2).clamp(8, 256)
    } else {
        i64::from(spec.hidden)
    };
    (hidden, bottleneck)
}

/// Trains on all windows once, in this order; gives the mean error on the way.
fn epoch_of_training(
    network: &Autoencoder,
    optimizer: &mut nn::Optimizer,
    windows: &Tensor,
    order: &[i64],
    batch: usize,
    deadline: &Deadline,
) -> Result<f64, Failure> {
    let mut sum = 0.0;
    for batch in order.chunks(batch) {
        deadline.check()?;
        let loss = step(network, optimizer, windows, batch).map_err(runtime_failure)?;
        sum += loss * batch.len() as f64;
    }
    Ok(sum / order.len() as f64)
}

/// One step on the windows of these numbers; gives their mean error before it.
fn step(
    network: &Autoencoder,
    optimizer: &mut nn::Optimizer,
    windows: &Tensor,
    batch: &[i64],
) -> Result<f64, TchError> {
    let batch = windows.f_index_select(0, &Tensor::f_from_slice(batch)?)?;
    let loss = network
        .forward(&batch)?
        .f_mse_loss(&batch, Reduction::Mean)?;
    optimizer.zero_grad();
    loss.f_backward()?;
    optimizer.step();
    loss.f_double_value(&[])
}

fn mean_squared_error(network: &Autoencoder, windows: &Tensor) -> Result<f64, TchError> {
    tch::no_grad(|| {
        network
            .forward(windows)?
            .f_mse_loss(windows, Reduction::Mean)?
            .f_double_value(&[])
    })
}

fn tensor(windows: &[f32], inputs: usize) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(windows)?.f_reshape([(windows.len() / inputs) as i64, inputs as i64])
}

/// Per window: the errors of its signals.
fn errors(
    network: &Autoencoder,
    windows: &[f32],
    signals: usize,
    window: usize,
) -> Result<Vec<Vec<f64>>, Failure> {
    let inputs = signals * window;
    let mut errors = Vec::with_capacity(windows.len() / inputs);
    for chunk in windows.chunks(EVALUATION_BATCH * inputs) {
        let reconstruct = || -> Result<Vec<f32>, TchError> {
            let output =
                tch::no_grad(|| network.forward(&tensor(chunk, inputs)?))?.f_reshape([-1])?;
            Vec::<f32>::try_from(output)
        };
        let reconstruction = reconstruct().map_err(runtime_failure)?;
        let pairs = chunk.chunks(inputs).zip(reconstruction.chunks(inputs));
        errors.extend(pairs.map(|(window, expected)| signal_errors(window, expected, signals)));
    }
    Ok(errors)
}
