"""The published comparison of SVR, Sim-QSVR and QSVR, beside a sound one (`make repro-qsvr`)."""
