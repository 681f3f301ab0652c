"""Simulates card transactions, frauds and the reports of frauds."""

from pipeline_code.simulate.simulation import Simulation, simulate
from pipeline_code.simulate.world import SimulationConfig

__all__ = ["Simulation", "SimulationConfig", "simulate"]
