"""Scalar code of erf.

In: a builder and a number. Out: a number, within 2 units in the last place of the exact one.

Near 0, erf x = x + x·P(x²); further out 1 − exp(Q(|x|)), where Q is fitted to ln erfc.
"""

from __future__ import annotations

from typing import Any

from glassnet.ops.math_exp import exp_code, format_of, polynomial, with_sign

__all__ = ["erf_code"]

# P: error 2^-30 and 2^-56 relative to erf on [0, 0.95] and [0, 1]
NEAR = {
    "float32": (
        0.12837916612625122, -0.3761262893676758, 0.11283625662326813, -0.026855740696191788,
        0.0051924604922533035, -0.0008050804026424885, 8.002774848137051e-05,
    ),
    "float64": (
        0.1283791670955126, -0.376126389031841, 0.11283791670971086, -0.026866170648026634,
        0.005223977652629477, -0.0008548328531148351, 0.00012055385988948939,
        -1.4926875771315348e-05, 1.6480955876387934e-06, -1.6555922313451484e-07,
        1.6004384861110035e-08, -1.6427952400446517e-09, 1.4277209780351612e-10,
    ),
}  # fmt: skip
# Q in powers of |x| − centre, one line per span of |x|: (start, centre, coefficients);
# errors relative to erf 2^-34.8, and 2^-55.8 and 2^-62
FAR = {
    "float32": (
        (
            0.95, 0.0,
            (
                0.00018221679783891886, -1.1295509338378906, -0.633274495601654,
                -0.10835947096347809, 0.025170624256134033, -0.004190477542579174,
                0.0004384687345009297, -2.1441892386064865e-05,
            ),
        ),
    ),
    "float64": (
        (
            1.0, 1.5,
            (
                -3.3844920895515527, -3.508800801779519, -0.8926403306150203,
                -0.025824140634271353, 0.006006746385396303, -0.00125721667364482,
                0.00021596331811277238, -2.247381759667324e-05, -2.6468666595791002e-06,
                2.3715146878583113e-06, -8.190372869190078e-07, 1.9086126817326527e-07,
                -2.6228212224194308e-08, 3.459065945827544e-10,
            ),
        ),
        (
            2.25, 3.5,
            (
                -14.112437402148121, -7.266099588364605, -0.9667530547433311,
                -0.005225658244913128, 0.0008736872657838279, -0.00014729773397193923,
                2.4386731799139895e-05, -3.889126637071356e-06, 5.854170972390197e-07,
                -8.151819638006056e-08, 8.988253549467807e-09, -6.32459097598328e-10,
                3.028001239798814e-10, 1.6232846184970488e-10,
            ),
        ),
    ),
}  # fmt: skip
LIMIT = {"float32": 4.0, "float64": 6.0}


def erf_code(b: Any, x: Any) -> Any:
    size = b.abs(x)
    size = b.select(size > LIMIT[x.dtype], LIMIT[x.dtype], size)
    near = b.fma(polynomial(b, x * x, NEAR[x.dtype]), size, size)
    spans = FAR[x.dtype]
    exponent = polynomial(b, size - spans[0][1], spans[0][2])
    for start, centre, coefficients in spans[1:]:
        further = polynomial(b, size - centre, coefficients)
        exponent = b.select(size < start, exponent, further)
    far = 1.0 - exp_code(b, exponent)
    return with_sign(b, b.select(size < spans[0][0], near, far), x, format_of(x))
