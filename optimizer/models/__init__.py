from optimizer.models.elasticity import ElasticityEstimate, ElasticityFit
from optimizer.models.run import OptimizationRun, Recommendation, RunChunk, RunLimits

__all__ = ["ElasticityEstimate", "ElasticityFit", "OptimizationRun", "Recommendation", "RunChunk", "RunLimits"]
