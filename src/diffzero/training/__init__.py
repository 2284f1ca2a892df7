"""The mini models: small siblings of Stable Diffusion, DeepFloyd IF and CLIP, trained on the same images and captions."""
