"""Predict and explain one row with numpy and onnxruntime alone; neither torch nor scikit-learn need be installed.

    python serve.py model.onnx '{"age": 38, "job": "clerk"}' [column that must not change ...]

`HyConExClassifier.to_onnx("model.onnx")` wrote the graph, and model.json beside it: how rows become numbers and back.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def yeo_johnson(x, power):
    power, length = (power if x >= 0 else 2 - power), np.log1p(abs(x))
    return np.sign(x) * (np.expm1(power * length) / power if power else length)


def inverse_yeo_johnson(u, power):
    power = power if u >= 0 else 2 - power
    return np.sign(u) * np.expm1(np.log1p(power * abs(u)) / power if power else abs(u))


def encode(column, value):
    if column["kind"] in ("categorical", "boolean"):
        return [float(value == level) for level in column["categories"]]  # of an unknown label all are 0
    if column["kind"] == "constant":
        return [0.0]
    if column["kind"] == "ordered" and value is not None:  # an unknown one is taken as the median rank
        value = column["categories"].index(value) if value in column["categories"] else column["fill"]
    u = (column["fill"] if value is None else value) / column["unit"]
    u = u if column["power"] is None else yeo_johnson(u, column["power"])
    return [(u - column["center"]) / column["scale"]] + [float(value is None)] * (column["missing"] is not None)


def decode(column, value, before, after):
    if column["kind"] in ("categorical", "boolean"):
        return column["categories"][after.argmax()] if before[after.argmax()] < 0.5 else value
    if column["kind"] == "constant" or abs(after[0] - before[0]) < 1e-3:  # too little to tell
        return value
    u = after[0] * column["scale"] + column["center"]
    number = column["unit"] * (u if column["power"] is None else inverse_yeo_johnson(u, column["power"]))
    number = float(np.clip(number, column["lower"], column["upper"]))
    number = number if column["decimals"] is None else round(number, column["decimals"] or None)
    return column["categories"][number] if column["kind"] == "ordered" else number


def main(path, row, frozen):
    graph, told = Path(path).read_bytes(), json.loads(Path(path).with_suffix(".json").read_text())
    columns, classes = told["schema"]["columns"], told["classes"]
    if hashlib.sha256(graph).hexdigest() != told["graph_sha256"]:
        sys.exit(f"{path} is not the graph that the description beside it was written with.")
    if unknown := {*row, *frozen} - {c["name"] for c in columns}:
        sys.exit(f"no columns {sorted(unknown)}; there are {[c['name'] for c in columns]}")
    session = onnxruntime.InferenceSession(graph)
    mask = [float(c["name"] not in frozen) for c in columns for _ in encode(c, None)]

    def ask(row):
        x = [number for c in columns for number in encode(c, row.get(c["name"]))]
        return np.array(x), *(part[0] for part in session.run(None, {"rows": [x], "mask": [mask]}))

    x, p, proposals = ask(row)
    print(f"{classes[p.argmax()]} (probability {p.max():.3f})")
    for k in set(range(len(classes))) - {p.argmax()}:
        parts = [(c, row.get(c["name"]), slice(c["start"], c["stop"])) for c in columns]
        other = {c["name"]: decode(c, value, x[at], proposals[k, at]) for c, value, at in parts}
        again = ask(other)[1]  # judged as the row that you would hold
        changes = {name: value for name, value in other.items() if value != row.get(name)}
        print(f"{classes[k]} (probability {again[k]:.3f}, {'' if again.argmax() == k else 'not '}valid): {changes}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:])
