"""Records to pictures and words. Nothing here computes a result, keeps state or knows Streamlit."""
