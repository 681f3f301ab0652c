"""Deploys an approved model package through CloudFormation."""
