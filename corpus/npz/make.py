#!/usr/bin/env python3
"""Writes the .npz files of this folder with numpy: make.py FOLDER

A BatchNorm as one writes it in numpy, in the ways in which arrays come: f32, f64, f16, bfloat16,
channels first and last, C and Fortran order, little- and big-endian, stored and deflated, all three
versions of numpy's format. biased.npz is wrong on purpose, all others are right.
"""
import sys
import zipfile
from pathlib import Path

import numpy as np


def train(x, weight, bias, running_mean, running_var, eps=1e-5, momentum=0.1, ddof=1):
    """y, and what running_mean and running_var become."""
    def by_channel(v):
        return v.reshape(1, -1, *[1] * (x.ndim - 2))
    axes = (0, *range(2, x.ndim))
    mean, var = x.mean(axes), x.var(axes)
    y = (x - by_channel(mean)) / np.sqrt(by_channel(var) + eps) * by_channel(weight) + by_channel(bias)
    return (y, (1 - momentum) * running_mean + momentum * mean,
            (1 - momentum) * running_var + momentum * x.var(axes, ddof=ddof))


def backward(dy, x, weight, eps=1e-5):
    """dx, dweight and dbias of a 4-D x in training."""
    axes, n = (0, 2, 3), x.size // x.shape[1]
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    xhat = (x - mean) / np.sqrt(var + eps)
    dbias, dweight = dy.sum(axes), (dy * xhat).sum(axes)
    dx = weight.reshape(1, -1, 1, 1) / np.sqrt(var + eps) * (
        dy - (dbias.reshape(1, -1, 1, 1) + xhat * dweight.reshape(1, -1, 1, 1)) / n)
    return dx, dweight, dbias


def arrays(shape, dtype=np.float32, seed=1):
    rng = np.random.default_rng(seed)
    c = shape[1]
    return {'x': (3 + 2 * rng.standard_normal(shape)).astype(dtype),
            'weight': rng.uniform(0.5, 1.5, c).astype(dtype), 'bias': rng.uniform(-1, 1, c).astype(dtype),
            'running_mean': rng.uniform(-1, 1, c).astype(dtype),
            'running_var': rng.uniform(0.5, 1.5, c).astype(dtype)}


def as_bfloat16(v):
    """Rounded to nearest even, as float32."""
    bits = v.astype(np.float32).view(np.uint32).astype(np.uint64)
    return (((bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32)).view(np.float32)


def main(folder):
    a = arrays((4, 3, 5, 5))
    y, mean, var = train(**a)
    dy = np.random.default_rng(2).uniform(-1, 1, a['x'].shape).astype(np.float32)
    dx, dweight, dbias = backward(dy, a['x'], a['weight'])
    np.savez(folder / 'right.npz', **a, mode='train', eps=1e-5, momentum=0.1, y=y, running_mean_after=mean,
             running_var_after=var, dy=dy, dx=dx, dweight=dweight, dbias=dbias)

    y, mean, var = train(**a, ddof=0)
    np.savez(folder / 'biased.npz', **a, mode='train', y=y, running_mean_after=mean, running_var_after=var)

    a = arrays((6, 4, 9), np.float64)
    y = ((a['x'] - a['running_mean'][:, None]) / np.sqrt(a['running_var'][:, None] + 1e-3) *
         a['weight'][:, None] + a['bias'][:, None])
    np.savez_compressed(folder / 'eval.npz', **a, training=False, eps=1e-3, y=y)

    a = arrays((5, 4, 3, 2))
    y, mean, var = train(**a)
    a['x'], y = (np.asfortranarray(np.moveaxis(v, 1, -1)) for v in (a['x'], y))
    np.savez(folder / 'channels_last.npz', mode='train', channel_axis=-1, y=y.astype('>f4'),
             running_mean_after=mean.astype('>f4'), running_var_after=var, **a)

    a = arrays((16, 3), np.float16)
    y, mean, var = train(**{k: v.astype(np.float32) for k, v in a.items()})
    np.savez(folder / 'half.npz', **a, mode=np.bytes_('train'), y=y.astype(np.float16), 
             running_mean_after=mean.astype(np.float16), running_var_after=var.astype(np.float16))

    a = {k: as_bfloat16(v) for k, v in arrays((16, 3)).items()}
    y, mean, var = train(**a)
    brains = {'x': a['x'], 'y': as_bfloat16(y)}
    np.savez(folder / 'bfloat16.npz', dtype='bfloat16', mode='train', running_mean_after=mean,
             running_var_after=var, **{k: v for k, v in a.items() if k != 'x'},
             **{k: (v.view(np.uint32) >> 16).astype(np.uint16).view('V2') for k, v in brains.items()})

    # The versions that numpy writes by itself only where it must.
    a = arrays((8, 3))
    y, _, _ = train(**a)
    with zipfile.ZipFile(folder / 'versions.npz', 'w') as archive:
        for i, (name, value) in enumerate({'x': a['x'], 'mode': np.array('train'), 'y': y,
                                           'weight': a['weight'], 'bias': a['bias']}.items()):
            with archive.open(zipfile.ZipInfo(name + '.npy'), 'w', force_zip64=True) as file:
                np.lib.format.write_array(file, value, version=(i % 3 + 1, 0))


if __name__ == '__main__':
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
