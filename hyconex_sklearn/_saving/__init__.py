"""A fitted estimator comes in, one file goes out, and back; nothing a file says is believed before it is checked.

In: constructor parameters, schema, class labels, tensors. Out: a safetensors file with a JSON header, or a graph for
other runtimes.

Read: `estimator` (what users call), `model_file` (what is in a file, and that its parts fit together), `container`
(bytes, bounds and checksum), `json_values` and `schema_json` (values and columns as strict JSON), `onnx` (the one pass
for other runtimes).
"""
