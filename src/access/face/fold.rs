//! Makes of OpenCV Zoo's quantised models what the inference engine takes. Pure.
//!
//! Their weights are 8-bit blocks, each with a scale and a zero point, that the graph itself turns
//! into numbers (`DequantizeLinear`, then `Reshape`); the engine knows no blocks. So that is done
//! here, once. `Dropout` does nothing outside training and is left out, and declared sizes are
//! forgotten: pictures of other sizes work as well.
//!
//! Field numbers are those of [onnx.proto](https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

use std::collections::{HashMap, HashSet};

use super::protobuf::{Field, Payload, fields, put_bytes, text, texts};

/// Data types of onnx.proto's `TensorProto`.
const FLOAT: u64 = 1;
const INT8: u64 = 3;

/// Why a model could not be folded: it is not one of those that this was written for.
#[derive(Debug, thiserror::Error)]
#[error("the model is not as expected: {0}")]
pub struct Unexpected(pub(super) &'static str);

type Result<T> = std::result::Result<T, Unexpected>;

/// The same model with plain numbers as its weights. The same bytes give the same bytes.
///
/// # Errors
/// It is another model, or none.
pub fn folded(model: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(model.len() * 4);
    for field in fields(model) {
        let field = field?;
        match field {
            // ModelProto.graph
            Field {
                number: 7,
                payload: Payload::Bytes(graph),
            } => {
                let graph = Graph::read(graph)?.written()?;
                put_bytes(&mut out, 7, &graph);
            }
            other => other.put(&mut out),
        }
    }
    Ok(out)
}

/// A weight that has become plain numbers.
struct Weight {
    dims: Vec<u64>,
    values: Vec<f32>,
}

struct Node<'a> {
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    op: &'a str,
    bytes: &'a [u8],
}

impl<'a> Node<'a> {
    fn first_input(&self) -> Result<&'a str> {
        let first = self.inputs.first().copied();
        first.ok_or(Unexpected("a node without input"))
    }
}

#[derive(Default)]
struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    tensors: HashMap<&'a str, &'a [u8]>,
    /// As they came: the order of what is written is that of what was read.
    tensor_names: Vec<&'a str>,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
}

impl<'a> Graph<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut graph = Graph::default();
        for field in fields(bytes) {
            let Field { number, payload } = field?;
            let Payload::Bytes(bytes) = payload else {
                continue;
            };
            match number {
                1 => graph.nodes.push(Node {
                    inputs: texts(bytes, 1)?,
                    outputs: texts(bytes, 2)?,
                    op: text(bytes, 4)?,
                    bytes,
                }),
                5 => {
                    let name = text(bytes, 8)?;
                    graph.tensor_names.push(name);
                    graph.tensors.insert(name, bytes);
                }
                11 => graph.inputs.push(text(bytes, 1)?),
                12 => graph.outputs.push(text(bytes, 1)?),
                _ => {} // names, comments, and the shapes between
            }
        }
        Ok(graph)
    }

    fn written(&self) -> Result<Vec<u8>> {
        let mut weights: HashMap<&str, Weight> = HashMap::new();
        let mut same_as: HashMap<&str, &str> = HashMap::new();
        let mut kept = Vec::new();
        for node in &self.nodes {
            let output = *node
                .outputs
                .first()
                .ok_or(Unexpected("a node without output"))?;
            match node.op {
                "DequantizeLinear" => {
                    weights.insert(output, self.dequantised(node)?);
                }
                "Reshape" if weights.contains_key(node.first_input()?) => {
                    let weight = weights.remove(node.first_input()?);
                    let mut weight = weight.expect("it was there");
                    weight.dims = self.shape(node)?;
                    weights.insert(output, weight);
                }
                "Dropout" => {
                    same_as.insert(output, node.first_input()?);
                }
                _ => kept.push(node),
            }
        }

        let mut out = Vec::new();
        let mut used: HashSet<&str> = HashSet::new();
        for node in &kept {
            let inputs = node
                .inputs
                .iter()
                .map(|name| *same_as.get(name).unwrap_or(name));
            let inputs: Vec<&str> = inputs.collect();
            put_bytes(&mut out, 1, &renamed(node.bytes, &inputs)?);
            used.extend(inputs);
        }
        for name in self
            .tensor_names
            .iter()
            .filter(|name| used.contains(**name))
        {
            put_bytes(&mut out, 5, self.tensors[name]);
        }
        let mut names: Vec<&&str> = weights
            .keys()
            .filter(|name| used.contains(**name))
            .collect();
        names.sort_unstable();
        for name in names {
            put_bytes(&mut out, 5, &tensor(name, &weights[*name]));
        }
        for (number, names) in [(11, &self.inputs), (12, &self.outputs)] {
            // Old models list their weights as inputs.
            let real =
                |name: &&&str| !self.tensors.contains_key(**name) && !weights.contains_key(**name);
            for name in names.iter().filter(real) {
                put_bytes(&mut out, number, &value_info(name));
            }
        }
        Ok(out)
    }

    /// (value - zero point) x scale, where each block of a row has its own two.
    fn dequantised(&self, node: &Node) -> Result<Weight> {
        let [values, scales, zeros] = [0, 1, 2].map(|at| {
            let name = node
                .inputs
                .get(at)
                .ok_or(Unexpected("an input is missing"))?;
            let bytes = self
                .tensors
                .get(name)
                .ok_or(Unexpected("a weight is missing"))?;
            Tensor::read(bytes)
        });
        let (values, scales, zeros) = (values?, scales?, zeros?);
        let block = attribute(node.bytes, "block_size")?;
        let row = *values
            .dims
            .last()
            .ok_or(Unexpected("a weight is a single number"))?;
        if values.data_type != INT8 || zeros.data_type != INT8 || scales.data_type != FLOAT {
            return Err(Unexpected("weights that are not 8-bit"));
        }
        if block == 0 || row == 0 {
            return Err(Unexpected("a weight without a size"));
        }
        let (block, row) = (block as usize, row as usize);
        let scales = scales.floats();
        let blocks = row.div_ceil(block);
        if values.raw.len() % row != 0
            || scales.len() != values.raw.len() / row * blocks
            || zeros.raw.len() != scales.len()
        {
            return Err(Unexpected("scales that do not fit the weights"));
        }
        let rows = values.raw.chunks_exact(row);
        let mut plain = Vec::with_capacity(values.raw.len());
        for (row, (scales, zeros)) in rows.zip(
            scales
                .chunks_exact(blocks)
                .zip(zeros.raw.chunks_exact(blocks)),
        ) {
            for (values, (scale, zero)) in row.chunks(block).zip(scales.iter().zip(zeros)) {
                let zero = f32::from(*zero as i8);
                plain.extend(
                    values
                        .iter()
                        .map(|value| (f32::from(*value as i8) - zero) * scale),
                );
            }
        }
        Ok(Weight {
            dims: values.dims,
            values: plain,
        })
    }

    fn shape(&self, node: &Node) -> Result<Vec<u64>> {
        let bytes = node.inputs.get(1).and_then(|name| self.tensors.get(name));
        let tensor = Tensor::read(bytes.ok_or(Unexpected("a shape is missing"))?)?;
        let dims = tensor.raw.chunks_exact(8);
        Ok(dims
            .map(|dim| u64::from_le_bytes(dim.try_into().expect("eight bytes")))
            .collect())
    }
}

struct Tensor<'a> {
    dims: Vec<u64>,
    data_type: u64,
    raw: &'a [u8],
}

impl<'a> Tensor<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut tensor = Tensor {
            dims: Vec::new(),
            data_type: 0,
            raw: &[],
        };
        for field in fields(bytes) {
            match field? {
                Field {
                    number: 1,
                    payload: Payload::Number(dim),
                } => tensor.dims.push(dim),
                Field {
                    number: 2,
                    payload: Payload::Number(word),
                } => tensor.data_type = word,
                Field {
                    number: 9,
                    payload: Payload::Bytes(raw),
                } => tensor.raw = raw,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn floats(&self) -> Vec<f32> {
        let words = self.raw.chunks_exact(4);
        words
            .map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect()
    }
}

fn attribute(node: &[u8], wanted: &str) -> Result<u64> {
    for field in fields(node) {
        if let Field {
            number: 5,
            payload: Payload::Bytes(attribute),
        } = field?
            && text(attribute, 1)? == wanted
        {
            for field in fields(attribute) {
                if let Field {
                    number: 3,
                    payload: Payload::Number(value),
                } = field?
                {
                    return Ok(value);
                }
            }
        }
    }
    Err(Unexpected("a block without a size"))
}

/// The node with these inputs in place of its own.
fn renamed(node: &[u8], inputs: &[&str]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(node.len());
    for input in inputs {
        put_bytes(&mut out, 1, input.as_bytes());
    }
    for field in fields(node) {
        let field = field?;
        if field.number != 1 {
            field.put(&mut out);
        }
    }
    Ok(out)
}

fn tensor(name: &str, weight: &Weight) -> Vec<u8> {
    let mut out = Vec::with_capacity(weight.values.len() * 4 + name.len() + 40);
    for dim in &weight.dims {
        Field::number(1, *dim).put(&mut out);
    }
    Field::number(2, FLOAT).put(&mut out);
    put_bytes(&mut out, 8, name.as_bytes());
    let raw: Vec<u8> = weight
        .values
        .iter()
        .flat_map(|it| it.to_le_bytes())
        .collect();
    put_bytes(&mut out, 9, &raw);
    out
}

/// A tensor of floats of any shape: type { tensor_type { elem_type } }.
fn value_info(name: &str) -> Vec<u8> {
    let mut elements = Vec::new();
    Field::number(1, FLOAT).put(&mut elements);
    let mut kind = Vec::new();
    put_bytes(&mut kind, 1, &elements);
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    put_bytes(&mut out, 2, &kind);
    out
}
