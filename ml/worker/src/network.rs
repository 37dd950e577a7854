//! The auto-encoder: dense layers over a flattened window, narrow in the middle.

use std::path::Path;

use tch::{CModule, Device, Kind, TchError, Tensor, nn};

use crate::random::Random;

/// `inputs → hidden → bottleneck → hidden → inputs`, tanh between. Only `f_…` calls: they give an error where the short
/// forms panic.
#[derive(Debug)]
pub struct Autoencoder {
    layers: Vec<(Tensor, Tensor)>,
    inputs: i64,
}

impl Autoencoder {
    /// With weights drawn from `random` (Glorot and Bengio, 2010), as variables of `root`.
    pub fn new(
        root: &nn::Path<'_>,
        inputs: i64,
        hidden: i64,
        bottleneck: i64,
        random: &mut Random,
    ) -> Result<Self, TchError> {
        let sizes = [inputs, hidden, bottleneck, hidden, inputs];
        let layers = sizes
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                let [from, to] = [pair[0], pair[1]];
                let bound = (6.0 / (from + to) as f64).sqrt();
                let values: Vec<f32> = (0..to * from).map(|_| random.uniform(bound)).collect();
                let weight = Tensor::f_from_slice(&values)?.f_reshape([to, from])?;
                let bias = Tensor::f_zeros([to], (Kind::Float, Device::Cpu))?;
                Ok((
                    root.add(&format!("weight{index}"), weight, true),
                    root.add(&format!("bias{index}"), bias, true),
                ))
            })
            .collect::<Result<_, TchError>>()?;
        Ok(Self { layers, inputs })
    }

    /// Reconstructs (batch × inputs).
    pub fn forward(&self, windows: &Tensor) -> Result<Tensor, TchError> {
        let last = self.layers.len().saturating_sub(1);
        let mut values = windows.f_reshape([-1, self.inputs])?;
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            values = values.f_linear(weight, Some(bias))?;
            if index < last {
                values = values.f_tanh()?;
            }
        }
        Ok(values)
    }

    /// Writes it as TorchScript, by tracing. No operation above holds the size of the batch, so the graph takes any.
    pub fn export(&self, path: &Path) -> Result<(), TchError> {
        let example = Tensor::f_zeros([2, self.inputs], (Kind::Float, Device::Cpu))?;
        let mut failed = None;
        let module = tch::no_grad(|| {
            CModule::create_by_tracing(
                "Autoencoder",
                "forward",
                &[example],
                &mut |inputs: &[Tensor]| {
                    let output = inputs
                        .first()
                        .ok_or_else(|| TchError::Shape("no input to trace".to_owned()))
                        .and_then(|input| self.forward(input));
                    match output {
                        Ok(output) => vec![output],
                        Err(error) => {
                            failed = Some(error);
                            Vec::new()
                        }
                    }
                },
            )
        });
        if let Some(error) = failed {
            return Err(error);
        }
        module?.save(path)
    }
}
